package client

import (
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// Message is one message of a channel.
type Message struct {
	Channel string
	// Seq is its position in the channel's log, and Prev that of the record stored
	// before it, 0 for the first. Sequences increase and have holes.
	Seq, Prev   uint64
	ID          string
	Time        time.Time // when it was stored
	Expires     time.Time // zero: it does not expire
	Key         string    // its collapse key
	From        string    // the publishing user; "": a backend
	ContentType string
	Data        []byte // JSON, text or bytes, as ContentType says

	ack   func(*Message) error // nil for a message of a list
	epoch string
}

// defaultType is the content type of a message that names none.
const defaultType = wire.JSONType

func newMessage(f *wire.Frame) (*Message, error) {
	data, err := f.Payload()
	if err != nil {
		return nil, err
	}
	m := &Message{
		Channel: f.Channel, Seq: f.Seq, Prev: f.Prev, ID: f.ID, Time: time.UnixMilli(f.Time),
		Key: f.Key, From: f.From, ContentType: f.ContentType, Data: data,
	}
	if f.Expires != 0 {
		m.Expires = time.UnixMilli(f.Expires)
	}
	if m.ContentType == "" {
		m.ContentType = defaultType
	}
	return m, nil
}

// Ack acknowledges this message and all before it in its channel: none of them comes
// again to this device. It waits for the client's Store but not for the server, to
// which the acknowledgement is sent within 100 ms. It is safe for concurrent use;
// repeated, or on a message from a list, it does nothing. The error is the store's.
func (m *Message) Ack() error {
	if m.ack == nil {
		return nil
	}
	return m.ack(m)
}

// weight is how much of the server's window the message uses, in bytes.
func (m *Message) weight() int { return len(m.Data) }

// MarshalJSON writes the message object of wirepost.v1.
func (m *Message) MarshalJSON() ([]byte, error) {
	w := wire.Message{
		Channel: m.Channel, Seq: m.Seq, Prev: m.Prev, ID: m.ID, Time: m.Time.UnixMilli(),
		Key: m.Key, ContentType: m.ContentType, From: m.From, Data: m.Data,
	}
	if !m.Expires.IsZero() {
		w.Expires = m.Expires.UnixMilli()
	}
	return wire.AppendMessage(nil, &w), nil
}
