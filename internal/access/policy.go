package access

import (
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/glob"
	"github.com/wirepost/wirepost/internal/names"
)

// Rule determines which clients may do something with a channel.
type Rule string

// The rules.
const (
	ByToken     Rule = "token"   // clients whose token lists the channel: the default
	Anyone      Rule = "anyone"  // any authenticated user, besides the token's lists
	BackendOnly Rule = "backend" // no client
	Hook        Rule = "hook"    // the application decides each time
)

// Policy applies to the channels that match a pattern.
type Policy struct {
	Pattern     string
	NonDurable  bool
	MaxAge      time.Duration // 0: 30 days
	MaxMessages int           // 0: 100 000
	Subscribe   Rule          // "": ByToken
	Publish     Rule          // "": ByToken
	Presence    bool
	Escalation  *escalation.Plan // of messages that have none of their own; nil: none
}

// The retention of a channel without a policy.
const (
	defaultMaxAge      = 30 * 24 * time.Hour
	defaultMaxMessages = 100_000
)

// Limits returns the policy's retention.
func (p *Policy) Limits() engine.Limits {
	return engine.Limits{MaxAge: p.MaxAge, MaxMessages: p.MaxMessages}
}

// Policies is a list of policies, of which the first that matches a channel applies.
// The last one matches every channel.
type Policies []Policy

// NewPolicies checks the configured policies and fills in defaults.
func NewPolicies(configured []Policy) (Policies, error) {
	ps := append(append(Policies{}, configured...), Policy{Pattern: "*"})
	for i := range ps {
		if err := ps[i].complete(); err != nil {
			return nil, fault.Field("Channels", "policy %d (%q): %s", i, ps[i].Pattern, err.Message)
		}
		if k := ps.covering(i); k >= 0 && i < len(configured) {
			return nil, fault.Field("Channels", "policy %d (%q) never applies: policy %d (%q) matches all its channels, "+
				"and the first policy that matches applies", i, ps[i].Pattern, k, ps[k].Pattern)
		}
	}
	return ps, nil
}

// covering returns an earlier policy that matches every channel that policy i matches,
// or -1.
func (ps Policies) covering(i int) int {
	return slices.IndexFunc(ps[:i], func(p Policy) bool { return glob.Covers(p.Pattern, ps[i].Pattern) })
}

func (p *Policy) complete() *fault.Error {
	switch {
	case p.Pattern == "":
		return fault.Field("pattern", "the pattern is missing")
	case p.MaxAge < 0:
		return fault.Field("max_age", "max_age is negative")
	case p.MaxMessages < 0:
		return fault.Field("max_messages", "max_messages is negative")
	}
	if p.MaxAge == 0 {
		p.MaxAge = defaultMaxAge
	}
	if p.MaxMessages == 0 {
		p.MaxMessages = defaultMaxMessages
	}
	for _, rule := range []*Rule{&p.Subscribe, &p.Publish} {
		switch *rule {
		case "":
			*rule = ByToken
		case ByToken, Anyone, BackendOnly, Hook:
		default:
			return fault.Field("access", "access %q is not one of token, anyone, backend, hook", string(*rule))
		}
	}
	return nil
}

// Of returns the policy of a channel.
func (ps Policies) Of(channel string) *Policy {
	for i := range ps {
		if glob.Match(ps[i].Pattern, channel) {
			return &ps[i]
		}
	}
	panic("unreachable: the last policy matches every channel")
}

// HasPresence reports whether clients may see who is present in a channel: those who may
// subscribe to it. An inbox has one user only.
func (ps Policies) HasPresence(channel string) bool {
	_, inbox := names.InboxUser(channel)
	return !inbox && ps.Of(channel).Presence
}

// CheckPresence returns an error unless a channel has presence.
func (ps Policies) CheckPresence(channel string) error {
	if _, inbox := names.InboxUser(channel); inbox {
		return fault.Errorf(fault.Forbidden, "%q is an inbox, which has no presence", channel)
	}
	if !ps.Of(channel).Presence {
		return fault.Errorf(fault.Forbidden, "%q has no presence: set `presence: true` in its channel policy (Policy.Presence in Go)", channel)
	}
	return nil
}

// MemoryOnly reports whether a channel is only in memory. The server's own are not, whatever
// the policies say.
func (ps Policies) MemoryOnly(channel string) bool {
	return ps.Of(channel).NonDurable && !names.IsReserved(channel)
}
