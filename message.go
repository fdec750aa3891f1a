package wirepost

import (
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/wire"
)

// Push is a message to push.
type Push struct {
	To string // a channel; InboxOf(user) for a user
	// Data is a JSON value, text or bytes, as ContentType says. It must not be
	// changed afterwards.
	Data []byte
	// ContentType is a media type; "" means application/json. With a JSON type
	// (also …+json) Data must be one JSON value and is kept in compact form; with
	// a text type it must be UTF-8.
	ContentType string
	// Raw keeps Data of a JSON type as it is, byte for byte.
	Raw bool
	// checked: Data and ContentType are those of a payload.Data. See payload.NewPush.
	checked bool
	// ID makes the push idempotent: a second push with the same ID to the same channel
	// within 24 hours stores nothing and returns the result of the first one. At most
	// 128 bytes; if it is "", the server makes one.
	ID string
	// Key, at most 128 bytes, makes the message replace the earlier live message
	// of the channel with the same key.
	Key string
	// TTL is the time to live, in steps of a millisecond. After it, the message is no
	// longer delivered. 0 means as long as the channel retains it.
	TTL time.Duration
	// At, or Delay from now on, schedules the push for a time within a year, with a precision
	// of a millisecond. What is scheduled is durable, and pushed once; the TTL begins now.
	At    time.Time
	Delay time.Duration
	// Escalate are the steps, in the order of their times, that are taken unless a device has
	// acknowledged the message by then; with Until: UntilRead, unless the user has read it. Only
	// messages to inboxes have them. Nil means those of the channel's policy, and an empty slice
	// none. The times begin when the message is pushed.
	Escalate []EscalationStep
	Until    EscalationUntil // "": that of the policy, else UntilAcknowledged
	// Notification is what Web Push shows: a JSON object with title, body, icon, url and so on,
	// of at most MaxNotification bytes. A URL that a click opens is relative, or one with http:
	// or https:.
	Notification json.RawMessage
	// TraceParent is the span that the push belongs to, in the form of the traceparent header
	// (W3C Trace Context). "": what the context of the call has, see Tracer.
	TraceParent string
}

// PushResult is the result of a Push.
type PushResult struct {
	To  string `json:"to"`
	ID  string `json:"id"`
	Seq uint64 `json:"seq"`
	// Online is the number of connections that were subscribed to the channel.
	Online    int  `json:"online"`
	Duplicate bool `json:"duplicate,omitempty"`
	// At is when a scheduled push will be made, or was made if Seq is set: it is a
	// duplicate then. It is zero if the push was not to be scheduled.
	At time.Time `json:"-"`
}

// BatchResult is the result of one push of a batch.
type BatchResult struct {
	PushResult
	Err error
}

// Message is a message of a channel's log. Its JSON form is the message object of
// the wirepost.v1 protocol.
type Message struct {
	Channel     string
	Seq, Prev   uint64
	ID          string
	Time        time.Time // of the append
	Expires     time.Time // zero: no time to live
	Key         string
	ContentType string
	From        string // the publishing user; "" when a backend pushed it
	Data        []byte // shared: do not modify it
}

func newMessage(channel string, r *engine.Record) Message {
	m := Message{
		Channel: channel, Seq: r.Seq, Prev: r.Prev, ID: r.ID, Time: time.UnixMilli(r.Time),
		Key: r.Key, ContentType: r.ContentType, From: r.From, Data: r.Data,
	}
	if r.Expires != 0 {
		m.Expires = time.UnixMilli(r.Expires)
	}
	return m
}

// MarshalJSON writes the wirepost.v1 message object.
func (m Message) MarshalJSON() ([]byte, error) {
	w := wire.Message{
		Channel: m.Channel, Seq: m.Seq, Prev: m.Prev, ID: m.ID, Time: m.Time.UnixMilli(),
		Key: m.Key, ContentType: m.ContentType, From: m.From, Data: m.Data,
	}
	if !m.Expires.IsZero() {
		w.Expires = m.Expires.UnixMilli()
	}
	return wire.AppendMessage(nil, &w), nil
}
