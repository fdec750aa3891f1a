package wire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Frame is a frame from a server as a client reads it. Which fields count depends
// on Type.
type Frame struct {
	Type string          `json:"type"`
	Ref  json.RawMessage `json:"ref"`

	Channel     string          `json:"channel"`
	Seq         uint64          `json:"seq"`
	Prev        uint64          `json:"prev"`
	ID          string          `json:"id"`
	Time        int64           `json:"time"`
	Key         string          `json:"key"`
	Expires     int64           `json:"expires"` // of a message, a hello, or the ok to auth
	ExpiresInMS int64           `json:"expires_in_ms"`
	From        string          `json:"from"`
	ContentType string          `json:"content_type"`
	Data        json.RawMessage `json:"data"`
	DataBase64  *string         `json:"data_base64"`

	Connection  string              `json:"connection"`
	User        string              `json:"user"`
	Device      string              `json:"device"`
	Epoch       string              `json:"epoch"`
	HeartbeatMS int64               `json:"heartbeat_ms"`
	Channels    map[string]Position `json:"channels"`

	Read      uint64 `json:"read"`
	Unread    int    `json:"unread"` // as of Seq, in a state that has one
	Revoked   uint64 `json:"revoked"`
	After     uint64 `json:"after"`
	ResumedAt uint64 `json:"resumed_at"`

	Presence *PresenceState `json:"presence"`
	Users    *[]PresentUser `json:"users"`
	Joined   []PresentUser  `json:"joined"`
	Left     []string       `json:"left"`
	Count    int            `json:"count"`

	Messages []json.RawMessage `json:"messages"`
	Next     uint64            `json:"next"`

	Duplicate bool   `json:"duplicate"`
	Oldest    uint64 `json:"oldest"`
	Resumed   bool   `json:"resumed"`

	// Code is a string in an error and a number in a bye.
	Code         json.RawMessage `json:"code"`
	Message      string          `json:"message"`
	Reason       string          `json:"reason"`
	RetryAfterMS int64           `json:"retry_after_ms"`
}

// ParseFrame reads a server's frame. It keeps no reference to the text. An unknown type
// is not an error.
func ParseFrame(text []byte) (*Frame, error) {
	f := new(Frame)
	if err := json.Unmarshal(text, f); err != nil {
		return nil, describe(text, err)
	}
	if f.Type == "" {
		return nil, errors.New(`the field "type" is missing`)
	}
	if f.Type == "message" && (f.Channel == "" || f.Seq == 0) {
		return nil, errors.New("a message without channel or seq")
	}
	return f, nil
}

// PresenceState is who is present in a channel.
type PresenceState struct {
	Count int           `json:"count"`
	Users []PresentUser `json:"users"`
}

// PresentUser is a user who is present in a channel.
type PresentUser struct {
	User  string          `json:"user"`
	Info  json.RawMessage `json:"info"`
	Since int64           `json:"since"` // ms since the epoch
}

// Payload returns the data of a message: JSON unchanged, text unquoted, or bytes.
func (f *Frame) Payload() ([]byte, error) {
	switch {
	case f.DataBase64 != nil:
		data, err := base64.StdEncoding.DecodeString(*f.DataBase64)
		if err != nil {
			return nil, fmt.Errorf(`"data_base64" is not valid base64: %w`, err)
		}
		return data, nil
	case KindOf(f.ContentType) == Text:
		var text string
		if err := json.Unmarshal(f.Data, &text); err != nil {
			return nil, fmt.Errorf("the data of a text is not a string: %w", err)
		}
		return []byte(text), nil
	}
	return f.Data, nil
}

// ErrorCode returns the code of an error frame.
func (f *Frame) ErrorCode() string {
	var code string
	if json.Unmarshal(f.Code, &code) != nil {
		return Internal
	}
	return code
}

// AppendAck appends an acknowledgement, in the form that servers read fastest.
func AppendAck(dst []byte, channel string, seq uint64) []byte {
	return appendPlace(dst, "ack", channel, seq)
}

// AppendRead appends the frame that moves the read mark.
func AppendRead(dst []byte, channel string, seq uint64) []byte {
	return appendPlace(dst, "read", channel, seq)
}

func appendPlace(dst []byte, kind, channel string, seq uint64) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","channel":`...)
	dst = appendString(dst, channel)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	return append(dst, '}')
}

// Request is a command with a ref, as a client writes it.
type Request struct {
	Type        string          `json:"type"`
	Ref         uint64          `json:"ref"`
	Channel     string          `json:"channel,omitempty"`
	After       *uint64         `json:"after,omitempty"`
	Before      *uint64         `json:"before,omitempty"`
	Limit       int             `json:"limit,omitempty"`
	Presence    bool            `json:"presence,omitempty"`
	To          string          `json:"to,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  *[]byte         `json:"data_base64,omitempty"` // encoding/json writes it as base64
	ContentType string          `json:"content_type,omitempty"`
	ID          string          `json:"id,omitempty"`
	Key         string          `json:"key,omitempty"`
	Method      string          `json:"method,omitempty"`
	Token       string          `json:"token,omitempty"`
}

// EncodeData converts data of a content type into the form of a publish and a push: a
// JSON value (a string for text), or bytes to be sent as base64.
func EncodeData(data []byte, contentType string) (value json.RawMessage, base64 *[]byte, err error) {
	switch KindOf(contentType) {
	case JSON:
		if !json.Valid(data) {
			return nil, nil, errors.New("the data is not one JSON value")
		}
		return data, nil, nil
	case Text:
		if !utf8.Valid(data) {
			return nil, nil, errors.New("the text is not valid UTF-8")
		}
		return appendString(make([]byte, 0, len(data)+2), data), nil, nil
	}
	if data == nil {
		data = []byte{} // nil would be written as null
	}
	return nil, &data, nil
}
