package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Command is a frame from a client. Which fields count depends on Type.
type Command struct {
	Type        string          `json:"type"`
	Ref         json.RawMessage `json:"ref"` // a number or a string, answered as it came
	Channel     string          `json:"channel"`
	Seq         uint64          `json:"seq"`
	After       *uint64         `json:"after"`
	To          string          `json:"to"`
	Data        json.RawMessage `json:"data"`
	DataBase64  *string         `json:"data_base64"`
	ContentType string          `json:"content_type"`
	ID          string          `json:"id"`
	Key         string          `json:"key"`
	Method      string          `json:"method"`
	Token       string          `json:"token"`
}

// maxRef bounds what is echoed for a client, in bytes.
const maxRef = 64

// ParseCommand reads a client's frame. The command keeps no reference to frame.
// With an error the Ref is there if it could be read.
func ParseCommand(frame []byte) (Command, error) {
	if ack, ok := parseAck(frame); ok {
		return ack, nil
	}
	var c Command
	if err := json.Unmarshal(frame, &c); err != nil {
		return Command{Ref: salvageRef(frame)}, describe(err)
	}
	if err := checkRef(c.Ref); err != nil {
		return Command{}, err
	}
	if c.Type == "" {
		return c, errors.New(`the field "type" is missing`)
	}
	return c, nil
}

// parseAck is the short way for what clients send most, in the form that they
// send it: {"type":"ack","channel":"…","seq":…}.
func parseAck(frame []byte) (c Command, ok bool) {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"type":"ack","channel":"`))
	if !ok {
		return c, false
	}
	channel, rest, ok := bytes.Cut(rest, []byte(`","seq":`))
	if !ok || len(rest) < 2 || len(rest) > 20 || rest[len(rest)-1] != '}' || rest[0] == '0' && len(rest) > 2 {
		return c, false
	}
	var seq uint64
	for _, d := range rest[:len(rest)-1] {
		if d < '0' || d > '9' {
			return c, false
		}
		seq = seq*10 + uint64(d-'0')
	}
	for _, b := range channel {
		if b < ' ' || b == '"' || b == '\\' {
			return c, false
		}
	}
	if !utf8.Valid(channel) {
		return c, false
	}
	return Command{Type: "ack", Channel: string(channel), Seq: seq}, true
}

// Payload gives the data of a publish or call, with its content type settled.
func (c *Command) Payload() (data []byte, contentType string, err error) {
	switch {
	case c.Data != nil && c.DataBase64 != nil:
		return nil, "", errors.New(`one of "data" and "data_base64", not both`)
	case c.DataBase64 != nil:
		data, err = base64.StdEncoding.DecodeString(*c.DataBase64)
		if err != nil {
			return nil, "", fmt.Errorf(`"data_base64" is no base64: %w`, err)
		}
		return data, orElse(c.ContentType, "application/octet-stream"), nil
	case c.Data == nil:
		return nil, "", errors.New(`the field "data" is missing`)
	case KindOf(c.ContentType) == JSON:
		return c.Data, c.ContentType, nil
	case KindOf(c.ContentType) == Text:
		var text string
		if json.Unmarshal(c.Data, &text) != nil {
			return nil, "", fmt.Errorf(`with the content type %q "data" is a string`, c.ContentType)
		}
		return []byte(text), c.ContentType, nil
	}
	return nil, "", fmt.Errorf(`with the content type %q the field is "data_base64"`, c.ContentType)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func checkRef(ref json.RawMessage) error {
	switch {
	case len(ref) == 0:
		return nil
	case len(ref) > maxRef:
		return fmt.Errorf(`"ref" has more than %d bytes`, maxRef)
	case ref[0] == '{' || ref[0] == '[':
		return errors.New(`"ref" is a number or a string`)
	}
	return nil
}

// salvageRef finds the ref of a frame with a field of a wrong type.
func salvageRef(frame []byte) json.RawMessage {
	var c struct {
		Ref json.RawMessage `json:"ref"`
	}
	if json.Unmarshal(frame, &c) != nil || checkRef(c.Ref) != nil {
		return nil
	}
	return c.Ref
}

// describe words a JSON error for the one who sent the frame.
func describe(err error) error {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("broken JSON at byte %d: %s", syntax.Offset, syntax.Error())
	case errors.As(err, &wrong) && wrong.Field == "":
		return fmt.Errorf("a frame is a JSON object, this one is: %s", wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("the field %q cannot be this: %s", wrong.Field, wrong.Value)
	}
	return errors.New("broken JSON")
}
