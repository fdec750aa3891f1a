package wirepost

import (
	"time"

	"github.com/wirepost/wirepost/internal/access"
)

// Access says which clients may do something with a channel. Backends may do
// everything.
type Access string

// The kinds of access.
const (
	AccessByToken     Access = "token"   // what the client's token lists: the default
	AccessAnyone      Access = "anyone"  // any authenticated user, besides the token's lists
	AccessBackendOnly Access = "backend" // no client
	// AccessHook lets Options.OnSubscribe or OnPublish decide each time, whatever the
	// token lists.
	AccessHook Access = "hook"
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
	Subscribe   Access        // "": AccessByToken
	Publish     Access        // "": AccessByToken
}

// The retention of a channel that no policy changes.
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
			return nil, fieldError("OnSubscribe", "is not set, and policy %d (%q) says subscribe: hook", i, p.Pattern)
		case p.Publish == AccessHook && o.OnPublish == nil:
			return nil, fieldError("OnPublish", "is not set, and policy %d (%q) says publish: hook", i, p.Pattern)
		}
		list[i] = access.Policy{
			Pattern: p.Pattern, MemoryOnly: p.MemoryOnly, MaxAge: p.MaxAge, MaxMessages: p.MaxMessages,
			Subscribe: access.Rule(p.Subscribe), Publish: access.Rule(p.Publish),
		}
	}
	policies, err := access.NewPolicies(list)
	return policies, public(err)
}
