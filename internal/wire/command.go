package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/strict"
)

// Command is a frame from a client. Which fields count depends on Type.
type Command struct {
	Type        string          `json:"type"`
	Ref         json.RawMessage `json:"ref"` // a number or a string, returned unchanged
	Channel     string          `json:"channel"`
	Seq         uint64          `json:"seq"`
	After       *uint64         `json:"after"`
	Before      *uint64         `json:"before"`
	Limit       *uint64         `json:"limit"`
	Presence    *bool           `json:"presence"`
	To          string          `json:"to"`
	Data        json.RawMessage `json:"data"`
	DataBase64  *string         `json:"data_base64"`
	ContentType string          `json:"content_type"`
	ID          string          `json:"id"`
	Key         string          `json:"key"`
	Method      string          `json:"method"`
	Token       string          `json:"token"`
	// Subscription is a PushSubscription, and Endpoint names one.
	Subscription json.RawMessage `json:"subscription"`
	Endpoint     string          `json:"endpoint"`

	hasSeq bool
}

// maxRef is the longest ref that is returned to a client, in bytes (see refSize).
const maxRef = 64

// ParseCommand reads a client's frame. The command keeps no reference to frame.
// If there is an error, Ref is set if it could be read.
func ParseCommand(frame []byte) (Command, error) {
	if ack, ok := parseAck(frame); ok {
		return ack, nil
	}
	var c Command
	if err := strict.Object(frame, c.member); err != nil {
		return Command{Ref: salvageRef(frame)}, describe(frame, err)
	}
	if err := checkRef(c.Ref); err != nil {
		return Command{}, err
	}
	if field := c.missing(); field != "" {
		return c, fmt.Errorf("the field %q is missing", field)
	}
	return c, nil
}

// missing names a field without which a frame would be obeyed silently, or refused for
// another reason.
func (c *Command) missing() string {
	switch {
	case c.Type == "":
		return "type"
	case c.Channel == "" && (c.Type == "ack" || c.Type == "read" || c.Type == "state" || c.Type == "unsubscribe"):
		return "channel"
	case !c.hasSeq && (c.Type == "ack" || c.Type == "read"):
		return "seq"
	case c.Token == "" && c.Type == "auth":
		return "token"
	}
	return ""
}

// member reads one member of a frame. It ignores unknown members, and null except as
// data.
func (c *Command) member(name string, value []byte) (err error) {
	if string(value) == "null" && name != "data" && name != "ref" {
		return nil
	}
	switch name {
	case "type":
		c.Type, err = strict.String(value)
	case "ref":
		c.Ref = bytes.Clone(value)
	case "channel":
		c.Channel, err = strict.String(value)
	case "seq":
		c.hasSeq = true
		err = json.Unmarshal(value, &c.Seq)
	case "after":
		err = json.Unmarshal(value, &c.After)
	case "before":
		err = json.Unmarshal(value, &c.Before)
	case "limit":
		err = json.Unmarshal(value, &c.Limit)
	case "presence":
		err = json.Unmarshal(value, &c.Presence)
	case "to":
		c.To, err = strict.String(value)
	case "data":
		c.Data = bytes.Clone(value)
	case "data_base64":
		c.DataBase64 = new(string)
		*c.DataBase64, err = strict.String(value)
	case "content_type":
		c.ContentType, err = strict.String(value)
	case "id":
		c.ID, err = strict.String(value)
	case "key":
		c.Key, err = strict.String(value)
	case "method":
		c.Method, err = strict.String(value)
	case "token":
		c.Token, err = strict.String(value)
	case "subscription":
		c.Subscription = bytes.Clone(value)
	case "endpoint":
		c.Endpoint, err = strict.String(value)
	}
	if err != nil {
		return fieldError(name, value, err)
	}
	return nil
}

// fieldError describes an invalid member of a frame.
func fieldError(name string, value []byte, err error) error {
	if errors.Is(err, strict.ErrNotUnicode) {
		return fmt.Errorf("the field %q is %w", name, err)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the field %q cannot be this: %s", name, wrong.Value)
	}
	return fmt.Errorf("the field %q cannot be this: %s", name, kindOf(value))
}

// kindOf names the type of a JSON value.
func kindOf(value []byte) string {
	switch value[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	}
	return "number"
}

// parseAck is the fast path for the most frequent frame, in the form in which clients
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

// Payload returns the data and the content type of a publish or call.
func (c *Command) Payload() (data []byte, contentType string, err error) {
	switch {
	case c.Data != nil && c.DataBase64 != nil:
		return nil, "", errors.New(`one of "data" and "data_base64", not both`)
	case c.DataBase64 != nil:
		data, err = base64.StdEncoding.DecodeString(*c.DataBase64)
		if err != nil {
			return nil, "", fmt.Errorf(`"data_base64" is not valid base64: %w`, err)
		}
		return data, orElse(c.ContentType, "application/octet-stream"), nil
	case c.Data == nil:
		return nil, "", errors.New(`the field "data" is missing`)
	case KindOf(c.ContentType) == JSON:
		return c.Data, c.ContentType, nil
	case KindOf(c.ContentType) == Text:
		text, err := strict.String(c.Data)
		switch {
		case errors.Is(err, strict.ErrNotUnicode):
			return nil, "", fieldError("data", c.Data, err)
		case err != nil:
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
	case strings.IndexByte("{[tf", ref[0]) >= 0: // null is as good as none
		return errors.New(`"ref" is a number or a string`)
	case refSize(ref) > maxRef:
		return fmt.Errorf(`"ref" has more than %d bytes`, maxRef)
	}
	return nil
}

// refSize is the size of a number as it is written, and of a string as it is meant: the
// quotes do not count, and an escape counts as its character.
func refSize(ref json.RawMessage) int {
	if text, err := strict.String(ref); err == nil {
		return len(text)
	}
	return len(ref)
}

// salvageRef finds the ref of an invalid frame.
func salvageRef(frame []byte) json.RawMessage {
	ref := strict.Member(frame, "ref")
	if checkRef(ref) != nil {
		return nil
	}
	return bytes.Clone(ref)
}

// describe returns a JSON error in words for the sender of the frame.
func describe(frame []byte, err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errors.New(strict.Broken(frame, syntax))
	}
	if errors.Is(err, strict.ErrNotObject) {
		return errors.New("a frame must be a JSON object")
	}
	return err
}
