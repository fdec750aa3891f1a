package wirepost

// Session is what is known of one client connection.
type Session struct {
	Connection string `json:"connection"`
	User       string `json:"-"`
	Device     string `json:"device"`
	Since      int64  `json:"since"` // ms since the epoch
	Address    string `json:"address"`
	Agent      string `json:"agent"`
	Mode       string `json:"mode"` // plain, wirepost.v1, sse or poll
	// Protocol is the one of Options.Subprotocols that was agreed on, if any.
	Protocol string `json:"protocol,omitempty"`
	// NoAcks says that a plain client answers pings without their payload, so that it
	// acknowledges nothing. The session is closed soon.
	NoAcks bool `json:"no_acks,omitempty"`
	// Data is that of the Identity.
	Data any `json:"-"`
}

// UserInfo is what is known of one user.
type UserInfo struct {
	User     string               `json:"user"`
	Online   int                  `json:"online"` // connections
	Sessions []Session            `json:"sessions"`
	Channels map[string]UserPlace `json:"channels"` // the inbox and every membership
}

// UserPlace is where a user stands in a channel.
type UserPlace struct {
	Head    uint64            `json:"head"`
	Read    uint64            `json:"read"`
	Unread  int               `json:"unread"`
	Devices map[string]uint64 `json:"devices"` // acknowledged cursors
}

// ChannelInfo describes a channel.
type ChannelInfo struct {
	Channel     string     `json:"channel"`
	Head        uint64     `json:"head"`
	Oldest      uint64     `json:"oldest"`
	Subscribers int        `json:"subscribers"` // connections
	Policy      PolicyInfo `json:"policy"`
}

// PolicyInfo is a policy as it is shown.
type PolicyInfo struct {
	Pattern     string `json:"pattern"`
	Durable     bool   `json:"durable"`
	MaxAge      string `json:"max_age"`
	MaxMessages int    `json:"max_messages"`
	Subscribe   Access `json:"subscribe"`
	Publish     Access `json:"publish"`
}

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

// Stats is what the server counted since it started, and what there is now.
type Stats struct {
	Connections int    `json:"connections"`
	Users       int    `json:"users"`    // connected ones
	Channels    int    `json:"channels"` // with a subscriber
	Pushes      uint64 `json:"pushes"`
	Deliveries  uint64 `json:"deliveries"`
	Acks        uint64 `json:"acks"`
	Gaps        uint64 `json:"gaps"`
	Epoch       string `json:"epoch"`
	Uptime      int64  `json:"uptime_ms"`
}
