// Package codec defines the output of sessions in each mode: the form of messages,
// notices and heartbeats, and how messages are acknowledged. Another protocol for
// clients needs another Codec and a parser of its commands.
package codec

import (
	"time"

	"github.com/wirepost/wirepost/internal/feed"
)

// Mode is the protocol of a client. A session holds this byte instead of its Codec.
type Mode uint8

// The modes.
const (
	Plain Mode = iota // a WebSocket frame holds exactly the pushed data
	V1                // wirepost.v1: every WebSocket frame is an object
	SSE               // a stream of Server-Sent Events, each with an object
	Poll              // one list of objects
)

// Codec returns the codec of a mode.
func (m Mode) Codec() Codec { return codecs[m] }

var codecs = [...]Codec{Plain: plain{}, V1: v1{}, SSE: sse{}, Poll: poll{}}

// Codec makes the output of the sessions of a mode. It has no state.
type Codec interface {
	// Name is the mode's name in lists of sessions.
	Name() string
	// Acknowledged says how clients acknowledge messages.
	Acknowledged() Acknowledgement
	// Objects reports whether clients are sent objects of wirepost.v1: notices, and
	// revocations among the messages.
	Objects() bool

	// AppendMessage appends the frames of an item. Window is that of a connection with
	// compression, else 0.
	AppendMessage(dst [][]byte, it *feed.Item, channel string, window int, at Position) [][]byte
	// Notice frames an object of wirepost.v1.
	Notice(object []byte) []byte
	// Heartbeat is sent to a silent client. Nil stands for a WebSocket ping.
	Heartbeat() []byte
	// Retry asks clients to reconnect after a while, before the bye notice. Nil means
	// that the notice does.
	Retry(after time.Duration) []byte
}

// Acknowledgement is the way in which the messages of a mode are acknowledged.
type Acknowledgement uint8

// The ways to acknowledge messages.
const (
	// ByPong: by the pong to a ping sent after them.
	ByPong Acknowledgement = iota
	// ByFrame: by the client's ack frames.
	ByFrame
	// ByReturn: by the next request, which carries the cursor sent with them.
	ByReturn
)

// Position returns a session's cursor over all its channels, in text form.
type Position interface {
	Position() string
}

// Prepare makes the frames of items in advance.
func Prepare(c Codec, items []*feed.Item, channel string, window int) {
	var scratch [1][]byte
	for _, it := range items {
		if it.Record.Revokes == 0 {
			c.AppendMessage(scratch[:0], it, channel, window, nil)
		}
	}
}
