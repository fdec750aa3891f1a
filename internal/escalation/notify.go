// Package escalation takes messages further that nobody acknowledged in time. The steps of a
// message are a timer of its channel (engine.Timer) that is set together with the message.
package escalation

import (
	"context"
	"encoding/json"
	"time"
)

// WebPush sends the notifications of steps via Web Push. It is safe for concurrent use.
type WebPush interface {
	// Send notifies a user of a message, at all of the user's subscriptions except those that
	// are in done. It returns when each of them has responded, or ctx is done. An error says
	// that nothing is known of any of them, and is retried soon. After a crash, a message may
	// be sent again to subscriptions that had it.
	Send(ctx context.Context, userID string, m *Message, done []string) (Result, error)
}

// Message is what a notification is about.
type Message struct {
	Channel      string // the user's inbox
	Seq          uint64
	ID, Key      string
	Expires      time.Time       // when it is no longer worth delivering; never zero
	Urgency      string          // of RFC 8030; "": high
	Notification json.RawMessage // a JSON object; nil: the push had none
	ContentType  string
	Data         []byte
}

// Result is the result of Send. A subscription is named by a short text that stays the same, such
// as a hash of its endpoint: names are stored, and shown to operators. A result without
// names says that the user has no subscription.
type Result struct {
	Sent   []string  // the push service has accepted the message
	Failed []Failure // it never will
	Again  []Retry   // it may, later
}

// Retry says why a subscription was not sent a message yet, and after which time to try again:
// as long as its push service asks for.
type Retry struct {
	Failure
	After time.Duration
}

// Failure says why a subscription was not sent a message.
type Failure struct {
	Name   string `json:"name"`
	Reason string `json:"reason"` // for operators, such as "410: the subscription has ended"
}
