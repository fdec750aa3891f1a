package wirepost

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/names"
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

// newPolicies checks the policies of the options, and that there are the callbacks that
// they need.
func (o *Options) newPolicies() (access.Policies, error) {
	list := make([]access.Policy, len(o.Channels))
	for i, p := range o.Channels {
		switch {
		case p.Subscribe == AccessHook && o.OnSubscribe == nil:
			return nil, optionError("OnSubscribe", "required by policy %d (%q), which has Subscribe: AccessHook", i, p.Pattern)
		case p.Publish == AccessHook && o.OnPublish == nil:
			return nil, optionError("OnPublish", "required by policy %d (%q), which has Publish: AccessHook", i, p.Pattern)
		}
		list[i] = access.Policy{
			Pattern: p.Pattern, NonDurable: p.NonDurable, MaxAge: p.MaxAge, MaxMessages: p.MaxMessages,
			Subscribe: access.Rule(p.Subscribe), Publish: access.Rule(p.Publish), Presence: p.Presence,
		}
		if err := p.CheckEscalation(o.WebPush.on()); err != nil {
			return nil, optionError("Channels", "policy %d (%q): %s", i, p.Pattern, err)
		}
		list[i].Escalation = p.escalation()
		p.warn(o.Logger)
	}
	policies, err := access.NewPolicies(list)
	if err != nil {
		return nil, optionError("Channels", "%s", fault.As(err).Message)
	}
	return policies, nil
}

// warn logs what has no effect on inboxes or on All, if the pattern matches nothing else.
func (p *Policy) warn(log *slog.Logger) {
	inboxes := strings.HasPrefix(p.Pattern, names.InboxPrefix)
	if inboxes && p.Presence {
		log.Warn("inboxes have no presence: the policy's has no effect", "policy", p.Pattern)
	}
	if open := p.Subscribe != "" && p.Subscribe != AccessByToken; open && (inboxes || p.Pattern == All) {
		log.Warn("who subscribes to inboxes and all is fixed: the policy's rule has no effect", "policy", p.Pattern, "subscribe", p.Subscribe)
	}
	if open := p.Publish == AccessAnyone || p.Publish == AccessHook; open && p.Pattern == All {
		log.Warn("no client publishes to all: the policy's rule has no effect", "policy", p.Pattern, "publish", p.Publish)
	}
}

// escalation is the plan of the policy, or nil.
func (p *Policy) escalation() *escalation.Plan {
	if len(p.Escalate) == 0 && p.Until == "" {
		return nil
	}
	return &escalation.Plan{Steps: p.Escalate, Until: p.Until}
}

// CheckEscalation returns the error for which New refuses the Escalate and Until of the
// policy, if any. webPush says whether Options.WebPush is on.
func (p *Policy) CheckEscalation(webPush bool) error {
	plan := p.escalation()
	if plan == nil {
		return nil
	}
	if err := plan.Check(); err != nil {
		return errors.New(fault.As(err).Message)
	}
	switch last := plan.Steps[len(plan.Steps)-1].After; {
	case !strings.HasPrefix(p.Pattern, names.InboxPrefix):
		return errors.New("escalate is for inboxes: the pattern has to begin with user: to match no other channels")
	case p.NonDurable:
		return errors.New("escalations are durable, and the channels are memory-only")
	case plan.Uses(ViaWebPush) && !webPush:
		//lint:ignore ST1005 it is a name
		return errors.New(noWebPush)
	case p.MaxAge > 0 && last >= p.MaxAge, last >= DefaultMaxAge && p.MaxAge == 0:
		return errors.New("the channels do not retain messages until the last step of escalate: raise max_age")
	}
	return nil
}
