package client

import "time"

// UserInfo describes a user.
type UserInfo struct {
	User     string                  `json:"user"`
	Online   int                     `json:"online"` // connections
	Sessions []Session               `json:"sessions"`
	Channels map[string]ChannelState `json:"channels"` // the inbox, all, and memberships
	// Incomplete says that a node of the cluster did not answer: Sessions lacks its
	// connections, and Online is the number that the nodes announced last.
	Incomplete bool `json:"incomplete"`
}

// Session is one connection of a user.
type Session struct {
	Connection string    `json:"connection"` // its name, for Disconnect
	Device     string    `json:"device"`     // "" is the user's default device
	Since      time.Time `json:"since"`
	Address    string    `json:"address"` // of the client
	Agent      string    `json:"agent"`   // its User-Agent
	Mode       string    `json:"mode"`    // plain, wirepost.v1, sse or poll
	// Protocol is the application's own subprotocol, if the client speaks one.
	Protocol string `json:"protocol,omitempty"`
	// NoAcks reports a plain client that answers pings without their payload, so that
	// it acknowledges nothing. The server closes it soon.
	NoAcks bool `json:"no_acks,omitempty"`
}

// ChannelState is how far a user has come in a channel.
type ChannelState struct {
	Head    uint64            `json:"head"`    // the channel's last sequence
	Read    uint64            `json:"read"`    // the user's read mark
	Unread  int               `json:"unread"`  // live messages after the read mark
	Devices map[string]uint64 `json:"devices"` // the last sequence that each has acknowledged
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Channel     string     `json:"channel"`
	Head        uint64     `json:"head"`        // the last sequence, 0 if there was none
	Oldest      uint64     `json:"oldest"`      // the first live message, 0 if there is none
	Subscribers int        `json:"subscribers"` // connections
	Policy      PolicyInfo `json:"policy"`
}

// PolicyInfo is the policy of a channel.
type PolicyInfo struct {
	Pattern     string        `json:"pattern"` // of the configuration
	Durable     bool          `json:"durable"`
	MaxAge      time.Duration `json:"max_age"`
	MaxMessages int           `json:"max_messages"`
	Subscribe   Access        `json:"subscribe"`
	Publish     Access        `json:"publish"`
	Presence    bool          `json:"presence,omitempty"`

	Escalate []EscalationStep `json:"escalate,omitempty"` // of pushes that have no steps of their own
	Until    EscalationUntil  `json:"until,omitempty"`
}

// Access says which clients a policy allows to subscribe or publish.
type Access string

// The values of Access.
const (
	AccessToken   Access = "token"   // those whose token names the channel
	AccessAnyone  Access = "anyone"  // any that has a token
	AccessBackend Access = "backend" // none
	AccessHook    Access = "hook"    // those that a callback of the server allows
)

// Receipt says how far a message came on one device of one user.
type Receipt struct {
	User   string       `json:"user"`
	Device string       `json:"device"`
	State  ReceiptState `json:"state"`
}

// ReceiptState is one of four, each of which includes those before it.
type ReceiptState string

// The states of a receipt. Read holds for all devices of the user.
const (
	ReceiptStored       ReceiptState = "stored"
	ReceiptSent         ReceiptState = "sent"
	ReceiptAcknowledged ReceiptState = "acknowledged"
	ReceiptRead         ReceiptState = "read"
)

// Stats is what the server has now, and what it counted since it started.
type Stats struct {
	Connections int           `json:"connections"`
	Users       int           `json:"users"`    // connected ones
	Channels    int           `json:"channels"` // with a subscriber
	Pushes      uint64        `json:"pushes"`
	Deliveries  uint64        `json:"deliveries"`
	Acks        uint64        `json:"acks"`
	Gaps        uint64        `json:"gaps"`
	Epoch       string        `json:"epoch"` // names the store that sequences belong to
	Uptime      time.Duration `json:"uptime_ms"`
	Memory      int64         `json:"memory_bytes"` // of the process, as the Go runtime counts it
}

// Top is what an operator looks at first: the largest channels, and the clients that
// lag.
type Top struct {
	Channels  []TopChannel  `json:"channels"`   // with a subscriber, most subscribers first
	Slow      []SlowSession `json:"slow"`       // most bytes held up first
	SlowCount int           `json:"slow_count"` // also of those that do not fit in the list
}

// TopChannel is a channel with subscribers.
type TopChannel struct {
	Channel     string `json:"channel"`
	Head        uint64 `json:"head"`
	Subscribers int    `json:"subscribers"` // connections
}

// SlowSession is a client for which messages wait.
type SlowSession struct {
	User     string     `json:"user"`
	Session  Session    `json:"session"`
	Reason   SlowReason `json:"reason"`
	InFlight int        `json:"in_flight"`       // messages sent and not acknowledged
	Bytes    int        `json:"in_flight_bytes"` // of these
	Unsent   int        `json:"unsent_bytes"`    // written, and not yet taken by the system
}

// SlowReason says what a session waits for.
type SlowReason string

// The reasons for which messages wait.
const (
	SlowSocket SlowReason = "socket" // the client does not read: its connection takes no more
	SlowWindow SlowReason = "window" // the client does not acknowledge: its window is full
)
