package session

import (
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/codec"
)

// assume applies the rights of an identity. A plain client needs only the memberships
// of it. On the loop, or before the session is attached.
func (s *Session) assume(id *access.Identity) {
	s.identity.Store(id)
	if s.mode == codec.Plain && len(id.Channels) == 0 && id.Data == nil && id.Info == nil {
		s.identity.Store(nil)
	}
	s.expires = 0
	if !id.Expires.IsZero() {
		s.expires = id.Expires.UnixMilli()
	}
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
func (s *Session) lifetime() time.Duration {
	return time.UnixMilli(s.expires).Sub(s.loop.host.Clock.Wall())
}
