package session

import (
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/user"
)

// assume applies the rights of an identity. A plain client needs only the memberships
// of it, unless it gets others later. On the loop, or before the session is attached.
func (s *Session) assume(id *access.Identity) {
	s.identity.Store(id)
	if s.mode == codec.Plain && len(id.Channels) == 0 && id.Data == nil && id.Info == nil && !id.Refresh {
		s.identity.Store(nil)
	}
	s.expires = 0
	if !id.Expires.IsZero() {
		s.expires = id.Expires.UnixMilli()
	}
	s.planRefresh(id)
}

// apply replaces the identity of an attached session, except that the caller calls
// reconcile. Refused are the requested channels that the application refuses for it. On
// the loop.
func (s *Session) apply(id *access.Identity, refused []string) {
	s.assume(id)
	s.identity.Store(id) // in plain mode, too: its rights have not been compared with the requested channels
	s.updatePresence(id)
	for _, channel := range refused {
		if sub := s.subscription(channel); sub != nil {
			sub.requested = false
		}
	}
	s.issued = user.IssuedAt(id.Issued)
	s.armTimer()
}

// expiresIn is the time until the identity expires, in ms; 0: never. It does not depend
// on the client's clock.
func (s *Session) expiresIn() int64 {
	if s.expires == 0 {
		return 0
	}
	return max(1, s.lifetime().Milliseconds())
}

// tokenGrants reports whether the identity makes the user a member of a channel.
func (s *Session) tokenGrants(channel string) bool {
	id := s.identity.Load()
	return id != nil && id.Grants(channel)
}

// lifetime is the time until the session's identity expires, if it does.
func (s *Session) lifetime() time.Duration { return s.until(s.expires) }

// until is the time until a time in ms since the epoch, by the wall clock.
func (s *Session) until(milli int64) time.Duration {
	return time.UnixMilli(milli).Sub(s.loop.host.Clock.Wall())
}
