package session

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// planRefresh schedules the call of Hooks.Refresh, if the identity asks for it: after 80
// to 90 percent of its time, at random, so that sessions that began together do not ask
// together. The rest is for retries. On the loop, or before the session is attached.
func (s *Session) planRefresh(id *access.Identity) {
	if !id.Refresh || s.expires == 0 || s.loop.host.Hooks.Refresh == nil {
		if s.work != nil {
			s.work.refreshAt = 0
		}
		return
	}
	left := s.lifetime().Milliseconds()
	s.theWork().refreshAt = max(1, s.expires-left/10-rand.N(max(1, left/10)))
}

// askIdentity asks the application for the session's next identity, after the jobs
// that wait. On the loop.
func (s *Session) askIdentity() {
	s.work.refreshAt = 0
	ctx := s.work.context(s)
	s.pinnedJob(func() (onLoop, otherwise func()) {
		if now := s.identity.Load(); now == nil || !now.Refresh {
			return nil, nil // a new token was sent in the meantime
		}
		id, err := s.loop.host.Hooks.Refresh(ctx, s.Info())
		var refused []string
		if err == nil && id.User == s.user.Name() {
			err = s.user.CheckRevoked(user.IssuedAt(id.Issued))
			if err == nil {
				refused, err = s.askAgain(ctx, id)
			}
		}
		return func() { s.refreshed(id, refused, err) }, func() {}
	})
}

// refreshed applies the identity that the application returned. On the loop, with the
// user's state pinned.
func (s *Session) refreshed(id *access.Identity, refused []string, err error) {
	switch {
	case isOutage(err):
		left := s.lifetime()
		s.work.refreshAt = s.expires - (left - refreshPause(left)).Milliseconds()
		s.armTimer()
	case err != nil:
		s.end(wire.CloseUnauthorized, closeReason(fault.As(err).Message))
	case id.User != s.user.Name():
		s.end(wire.CloseUnauthorized, "the connection belongs to another user now")
	case id.Device != "" && id.Device != s.device:
		s.end(wire.CloseUnauthorized, "the connection belongs to another device now")
	default:
		s.apply(id, refused)
		s.reconcile()
	}
}

// isOutage reports whether a callback could not decide.
func isOutage(err error) bool {
	if err == nil {
		return false
	}
	var coded *fault.Error
	if !errors.As(err, &coded) {
		return true
	}
	switch coded.Code {
	case fault.Unavailable, fault.RateLimited, fault.Internal:
		return true
	}
	return false
}

// refreshPause is how long to wait after an outage, with this much time left: about a
// quarter of it, so that the last attempts are shortly before the end.
func refreshPause(left time.Duration) time.Duration {
	pause := min(max(left/4, 100*time.Millisecond), 30*time.Second)
	return pause*3/4 + rand.N(pause/2)
}

// closeReason shortens a text to the 123 bytes of a close frame (RFC 6455 §5.5).
func closeReason(text string) string {
	const most = 123
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && text[end]&0xc0 == 0x80 { // inside of a character
		end--
	}
	return text[:end]
}
