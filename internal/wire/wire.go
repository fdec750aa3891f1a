// Package wire owns the client protocol wirepost.v1: JSON objects, one per text frame,
// and the close codes. Only this package writes and reads the bytes.
//
// The frames of a connection (C client, S server):
//
//	S→C hello                   the user, and the position in each channel
//	S→C message, message, …     the unacknowledged ones, oldest first, then live ones, within the window
//	C→S ack                     cumulative, per channel and device; makes room in the window
//	C→S read                    moves the user's read mark;            S→C state to every session of the user
//	C→S subscribe, unsubscribe, history, publish, call, message, auth, webpush (with a ref)   S→C ok | reply | error with that ref
//	S→C revoke, gap             in order among the messages
//	S→C subscribed, unsubscribed                                       the backend changed a membership
//	S→C presence                                                       who joined and left a channel
//	S→C bye                     then the close frame
//
// Both sides ignore unknown types and fields. A connection in plain mode has none of
// these frames: a message is one frame of exactly the data that was pushed, and pongs
// acknowledge.
package wire

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// The names a client may offer in Sec-WebSocket-Protocol.
const (
	ProtocolV1    = "wirepost.v1"
	ProtocolPlain = "wirepost.plain"
	// BearerPrefix precedes a token, because a page cannot set headers. It is never
	// the negotiated subprotocol.
	BearerPrefix = "bearer."
)

// Hello is the first frame of a connection.
type Hello struct {
	Type        string              `json:"type"`
	Connection  string              `json:"connection"`
	User        string              `json:"user"`
	Device      string              `json:"device"`
	Epoch       string              `json:"epoch"`
	HeartbeatMS int64               `json:"heartbeat_ms"`
	Expires     int64               `json:"expires,omitempty"` // ms since the epoch
	ExpiresInMS int64               `json:"expires_in_ms,omitempty"`
	VAPID       string              `json:"vapid,omitempty"` // with which browsers subscribe to Web Push
	Channels    map[string]Position `json:"channels"`
}

// Position is a session's position in a channel.
type Position struct {
	Seq     uint64 `json:"seq"`    // the head
	Oldest  uint64 `json:"oldest"` // the first live message, 0 for none
	After   uint64 `json:"after"`  // what comes first is after this
	Read    uint64 `json:"read"`
	Unread  int    `json:"unread"`
	Resumed bool   `json:"resumed"` // no message after the starting point was removed by retention
}

// State is a user's read mark in a channel.
type State struct {
	Type    string          `json:"type"`
	Ref     json.RawMessage `json:"ref,omitempty"` // of the command that asked for it
	Channel string          `json:"channel"`
	Seq     uint64          `json:"seq"` // the head that unread counts up to
	Read    uint64          `json:"read"`
	Unread  int             `json:"unread"`
}

// Revoke revokes a message.
type Revoke struct {
	Type    string `json:"type"`
	Channel string `json:"channel"`
	Seq     uint64 `json:"seq"`
	Revoked uint64 `json:"revoked"`
	ID      string `json:"id"`
}

// Gap reports that retention removed messages that the device had not acknowledged.
type Gap struct {
	Type      string `json:"type"`
	Channel   string `json:"channel"`
	After     uint64 `json:"after"`
	ResumedAt uint64 `json:"resumed_at"`
}

// Membership reports a change by the backend: subscribed or unsubscribed.
type Membership struct {
	Type    string `json:"type"`
	Channel string `json:"channel"`
}

// Bye announces a close frame.
type Bye struct {
	Type         string `json:"type"`
	Code         int    `json:"code"`
	Reason       string `json:"reason"`
	RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
}

// OK is the response to a command. Which fields are set depends on the command.
type OK struct {
	Type        string          `json:"type"`
	Ref         json.RawMessage `json:"ref,omitempty"`
	ID          string          `json:"id,omitempty"`
	Seq         *uint64         `json:"seq,omitempty"`
	Duplicate   bool            `json:"duplicate,omitempty"`
	Oldest      *uint64         `json:"oldest,omitempty"`
	Resumed     *bool           `json:"resumed,omitempty"`
	Expires     int64           `json:"expires,omitempty"`
	ExpiresInMS int64           `json:"expires_in_ms,omitempty"`
}

// History is the response to a history command.
type History struct {
	Type     string            `json:"type"`
	Ref      json.RawMessage   `json:"ref,omitempty"`
	Messages []json.RawMessage `json:"messages"`
	Next     uint64            `json:"next"`
	Read     *uint64           `json:"read,omitempty"`
}

// Reply is the response to a call, or to a message to the application.
type Reply struct {
	Type        string          `json:"type"`
	Ref         json.RawMessage `json:"ref,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  *[]byte         `json:"data_base64,omitempty"`
	ContentType string          `json:"content_type,omitempty"`
}

// NewReply returns a reply of text, as a JSON value if it is one and else as a string, or
// of bytes.
func NewReply(ref json.RawMessage, binary bool, data []byte) Reply {
	r := Reply{Type: "reply", Ref: ref}
	switch {
	case !binary && json.Valid(data):
		r.Data = data
	case !binary && utf8.Valid(data):
		r.Data, r.ContentType = appendString(make([]byte, 0, len(data)+2), data), "text/plain"
	default:
		r.DataBase64, r.ContentType = &data, "application/octet-stream"
	}
	return r
}

// Error is the response to a command that failed or to an invalid frame.
type Error struct {
	Type    string          `json:"type"`
	Ref     json.RawMessage `json:"ref,omitempty"`
	Code    string          `json:"code"`
	Message string          `json:"message"`
}

// Encode writes any frame except a message, for which there is AppendMessage.
func Encode(frame any) []byte {
	b, err := json.Marshal(frame)
	if err != nil {
		panic("wire: a frame that cannot be encoded: " + err.Error())
	}
	return b
}

// EncodeJSON returns a value as JSON for people and for programs that are not pages: nothing
// is escaped that only HTML needs escaped.
func EncodeJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}
