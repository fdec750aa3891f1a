package session

import (
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/codec"
)

// assume takes over the rights of an identity. A plain client has no use for its
// lists, except for the memberships. On the loop, or before the session is attached.
func (s *Session) assume(id *access.Identity) {
	s.identity.Store(id)
	if s.mode == codec.Plain && len(id.Channels) == 0 && id.Data == nil {
		s.identity.Store(nil)
	}
	s.expires = 0
	if !id.Expires.IsZero() {
		s.expires = id.Expires.UnixMilli()
	}
}

// expiresIn is how long the identity is still good for, in ms; 0: for ever. A client
// whose clock is wrong can go by it.
func (s *Session) expiresIn() int64 {
	if s.expires == 0 {
		return 0
	}
	return max(1, s.lifetime().Milliseconds())
}

// tokenGrants says whether the identity makes the user a member of a channel.
func (s *Session) tokenGrants(channel string) bool {
	id := s.identity.Load()
	return id != nil && id.Grants(channel)
}

// lifetime is how long the identity of the session still counts, if it expires.
func (s *Session) lifetime() time.Duration {
	return time.UnixMilli(s.expires).Sub(s.loop.host.Clock.Wall())
}
