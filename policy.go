package wirepost

import (
	"encoding/json"
	"fmt"
	"time"
)

// Access is the rule for what clients may do with a channel. Backends may do
// everything.
type Access string

// The rules of access.
const (
	AccessByToken     Access = "token"   // what the client's token lists: the default
	AccessAnyone      Access = "anyone"  // any authenticated user, besides the token's lists
	AccessBackendOnly Access = "backend" // no client
	// AccessHook lets Options.OnSubscribe or OnPublish decide each time, whatever the
	// token lists.
	AccessHook Access = "hook"
)

// Policy holds the settings of the channels that match a pattern. The first policy that
// matches a channel applies; New refuses one that cannot apply to any channel because an
// earlier pattern matches all of them. Its JSON form is that of the configuration file, with
// "durable" for the opposite of NonDurable and a string such as "720h0m0s" for MaxAge.
type Policy struct {
	// Pattern is a channel name in which * matches any run of characters.
	Pattern string
	// NonDurable keeps the channel's messages in memory only: none survives a restart,
	// and no cursors are stored for the channel.
	NonDurable  bool
	MaxAge      time.Duration // 0: 30 days
	MaxMessages int           // 0: 100 000
	Subscribe   Access        // "": AccessByToken
	Publish     Access        // "": AccessByToken
	// Presence lets clients that may subscribe see who else is subscribed, and with what
	// Identity.Info. Inboxes have no presence.
	Presence bool
	// Escalate and Until are those of pushes that do not have an Escalate of their own. The
	// pattern must match inboxes only: it begins with "user:".
	Escalate []EscalationStep
	Until    EscalationUntil
}

type policyJSON struct {
	Pattern     string `json:"pattern"`
	Durable     bool   `json:"durable"`
	MaxAge      string `json:"max_age"`
	MaxMessages int    `json:"max_messages"`
	Subscribe   Access `json:"subscribe"`
	Publish     Access `json:"publish"`
	Presence    bool   `json:"presence,omitempty"`

	Escalate []EscalationStep `json:"escalate,omitempty"`
	Until    EscalationUntil  `json:"until,omitempty"`
}

// MarshalJSON writes the form that the HTTP API uses.
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(policyJSON{p.Pattern, !p.NonDurable, p.MaxAge.String(), p.MaxMessages, p.Subscribe, p.Publish, p.Presence, p.Escalate, p.Until})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Policy) UnmarshalJSON(text []byte) error {
	var form policyJSON
	if err := json.Unmarshal(text, &form); err != nil {
		return err
	}
	age, err := time.ParseDuration(form.MaxAge)
	if err != nil {
		return fmt.Errorf("max_age: %w", err)
	}
	*p = Policy{form.Pattern, !form.Durable, age, form.MaxMessages, form.Subscribe, form.Publish, form.Presence, form.Escalate, form.Until}
	return nil
}

// The default retention of a channel.
const (
	DefaultMaxAge      = 30 * 24 * time.Hour
	DefaultMaxMessages = 100_000
)
