package wirepost

import (
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/internal/session"
)

// Session describes one client connection. In JSON, Since is in milliseconds since the
// Unix epoch.
type Session struct {
	Connection string    `json:"connection"`
	User       string    `json:"-"`
	Device     string    `json:"device"`
	Since      time.Time `json:"-"`
	Address    string    `json:"address"`
	Agent      string    `json:"agent"` // the User-Agent header
	Mode       string    `json:"mode"`  // plain, wirepost.v1, sse or poll
	// Protocol is the negotiated one of Options.Subprotocols, if any.
	Protocol string `json:"protocol,omitempty"`
	// NoAcks reports that a plain client answers pings without their payload, so that
	// it acknowledges nothing. The server closes such a session soon.
	NoAcks bool `json:"no_acks,omitempty"`
	// Data is Identity.Data.
	Data any `json:"-"`
}

// newSession is what a callback or a caller sees of a session.
func newSession(i session.Info) Session {
	return Session{
		Connection: i.Connection, User: i.User, Device: i.Device, Since: time.UnixMilli(i.Since), Address: i.Address,
		Agent: i.Agent, Mode: i.Mode, Protocol: i.Protocol, NoAcks: i.NoAcks, Data: i.Data,
	}
}

type sessionFields Session // without the methods

type sessionJSON struct {
	*sessionFields
	Since int64 `json:"since"`
}

// MarshalJSON writes the form that the HTTP API uses.
func (s Session) MarshalJSON() ([]byte, error) {
	return json.Marshal(sessionJSON{(*sessionFields)(&s), s.Since.UnixMilli()})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Session) UnmarshalJSON(text []byte) error {
	form := sessionJSON{sessionFields: (*sessionFields)(s)}
	err := json.Unmarshal(text, &form)
	s.Since = time.UnixMilli(form.Since)
	return err
}

// UserInfo describes a user.
type UserInfo struct {
	User     string                 `json:"user"`
	Online   int                    `json:"online"` // connections
	Sessions []Session              `json:"sessions"`
	Channels map[string]UserChannel `json:"channels"` // the inbox, All and every membership
	// Incomplete says that a node of the cluster did not answer: Sessions has only those of
	// the other nodes, and Online is the number that the nodes announced last.
	Incomplete bool `json:"incomplete,omitempty"`
}

// UserChannel describes a user's progress in a channel.
type UserChannel struct {
	Head    uint64            `json:"head"`
	Read    uint64            `json:"read"` // the read mark
	Unread  int               `json:"unread"`
	Devices map[string]uint64 `json:"devices"` // the acknowledged cursor of each device
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Channel     string `json:"channel"`
	Head        uint64 `json:"head"`
	Oldest      uint64 `json:"oldest"`
	Subscribers int    `json:"subscribers"` // connections
	Policy      Policy `json:"policy"`
}

// Receipt is the state of a message on one device of one user.
type Receipt struct {
	User   string       `json:"user"`
	Device string       `json:"device"`
	State  ReceiptState `json:"state"`
}

// ReceiptState is one of four states, each of which includes those before it.
type ReceiptState string

// The states of a receipt. ReceiptRead holds for all devices of the user.
const (
	ReceiptStored       ReceiptState = "stored"
	ReceiptSent         ReceiptState = "sent"
	ReceiptAcknowledged ReceiptState = "acknowledged"
	ReceiptRead         ReceiptState = "read"
)

// Stats are current numbers, and counters since the start. In JSON, Uptime is uptime_ms
// in milliseconds.
type Stats struct {
	Connections int           `json:"connections"`
	Users       int           `json:"users"`    // with a connection
	Channels    int           `json:"channels"` // with a subscriber
	Pushes      uint64        `json:"pushes"`
	Deliveries  uint64        `json:"deliveries"`
	Acks        uint64        `json:"acks"`
	Gaps        uint64        `json:"gaps"`
	Epoch       string        `json:"epoch"`
	Uptime      time.Duration `json:"-"`
}

type statsFields Stats // without the methods

type statsJSON struct {
	*statsFields
	Uptime int64 `json:"uptime_ms"`
}

// MarshalJSON writes the form that the HTTP API uses.
func (s Stats) MarshalJSON() ([]byte, error) {
	return json.Marshal(statsJSON{(*statsFields)(&s), s.Uptime.Milliseconds()})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Stats) UnmarshalJSON(text []byte) error {
	form := statsJSON{statsFields: (*statsFields)(s)}
	err := json.Unmarshal(text, &form)
	s.Uptime = time.Duration(form.Uptime) * time.Millisecond
	return err
}
