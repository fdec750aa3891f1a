package wirepost

import (
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/glob"
)

// Access says which clients may do something with a channel. Backends may do
// everything.
type Access string

// The kinds of access.
const (
	ByToken     Access = "token"   // what the client's token lists: the default
	Anyone      Access = "anyone"  // any authenticated user, besides the token's lists
	BackendOnly Access = "backend" // no client
)

// Policy is what holds for the channels that match a pattern; for each channel
// the first one that matches counts.
type Policy struct {
	// Pattern is a channel name in which * stands for any run of characters.
	Pattern string
	// MemoryOnly keeps the channel's messages in memory alone: nothing of it
	// survives a restart, and no cursors are stored for it.
	MemoryOnly  bool
	MaxAge      time.Duration // 0: 30 days
	MaxMessages int           // 0: 100 000
	Subscribe   Access        // "": ByToken
	Publish     Access        // "": ByToken
}

// The retention of a channel that no policy changes.
const (
	DefaultMaxAge      = 30 * 24 * time.Hour
	DefaultMaxMessages = 100_000
)

func (p *Policy) limits() engine.Limits {
	return engine.Limits{MaxAge: p.MaxAge, MaxMessages: p.MaxMessages}
}

// policies are the configured ones, with defaults filled in, and behind them one
// that matches every channel.
type policies []Policy

func newPolicies(configured []Policy) (policies, error) {
	ps := append(append(policies{}, configured...), Policy{Pattern: "*"})
	for i := range ps {
		if err := ps[i].complete(); err != nil {
			return nil, fieldError("Channels", "policy %d (%q): %s", i, ps[i].Pattern, err.Message)
		}
	}
	return ps, nil
}

func (p *Policy) complete() *Error {
	switch {
	case p.Pattern == "":
		return fieldError("pattern", "a pattern is needed")
	case p.MaxAge < 0:
		return fieldError("max_age", "a negative max_age")
	case p.MaxMessages < 0:
		return fieldError("max_messages", "a negative max_messages")
	}
	if p.MaxAge == 0 {
		p.MaxAge = DefaultMaxAge
	}
	if p.MaxMessages == 0 {
		p.MaxMessages = DefaultMaxMessages
	}
	for _, a := range []*Access{&p.Subscribe, &p.Publish} {
		switch *a {
		case "":
			*a = ByToken
		case ByToken, Anyone, BackendOnly:
		default:
			return fieldError("access", "access %q is none of token, anyone, backend", string(*a))
		}
	}
	return nil
}

func (ps policies) of(channel string) *Policy {
	for i := range ps {
		if glob.Match(ps[i].Pattern, channel) {
			return &ps[i]
		}
	}
	panic("unreachable: the last policy matches every channel")
}
