// Package codec has what clients are sent in each mode: what a message, a notice and a
// heartbeat look like, and what acknowledges them. Another protocol for clients is
// another Codec, and what reads its commands.
package codec

import (
	"time"

	"github.com/wirepost/wirepost/internal/feed"
)

// Mode is how a client is served. A session keeps this byte instead of its Codec.
type Mode uint8

// The modes.
const (
	Plain Mode = iota // one WebSocket frame is exactly what was pushed
	V1                // wirepost.v1: every WebSocket frame is an object
	SSE               // a stream of Server-Sent Events, each with an object
	Poll              // one list of objects
)

// Codec returns the codec of a mode.
func (m Mode) Codec() Codec { return codecs[m] }

var codecs = [...]Codec{Plain: plain{}, V1: v1{}, SSE: sse{}, Poll: poll{}}

// Codec is what the sessions of a mode send. It has no state.
type Codec interface {
	// Name is the mode as sessions are listed with it.
	Name() string
	// Acknowledged says how clients acknowledge messages.
	Acknowledged() Acknowledgement
	// Objects says that clients are sent objects of wirepost.v1: notices, and
	// revocations among the messages.
	Objects() bool

	// AppendMessage appends the frames of an item. Window is that of a connection
	// which agreed on compression, else 0.
	AppendMessage(dst [][]byte, it *feed.Item, channel string, window int, at Position) [][]byte
	// Notice frames an object of wirepost.v1.
	Notice(object []byte) []byte
	// Heartbeat is what a silent client is sent. Nil stands for a WebSocket ping.
	Heartbeat() []byte
	// Retry asks clients to reconnect after a while, in front of the bye notice. Nil
	// says that the notice does.
	Retry(after time.Duration) []byte
}

// Acknowledgement is how the messages of a mode are acknowledged.
type Acknowledgement uint8

// The ways to acknowledge messages.
const (
	// ByPong: by the pong to a ping that follows them.
	ByPong Acknowledgement = iota
	// ByFrame: by the client's ack frames.
	ByFrame
	// ByReturn: by the next request, which has the position that came with them.
	ByReturn
)

// Position is a session as a cursor over all its channels, in text.
type Position interface {
	Position() string
}

// Prepare makes the frames of items that a codec will be asked for.
func Prepare(c Codec, items []*feed.Item, channel string, window int) {
	var scratch [1][]byte
	for _, it := range items {
		if it.Record.Revokes == 0 {
			c.AppendMessage(scratch[:0], it, channel, window, nil)
		}
	}
}
