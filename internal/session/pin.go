package session

import (
	"context"

	"github.com/wirepost/wirepost/internal/wire"
)

// withState runs fn with the user's state pinned: at once, or as a job if the state
// must be loaded. On the loop.
func (s *Session) withState(fn func()) {
	if s.user.TryPin() {
		fn()
		s.user.Unpin()
		return
	}
	s.Job(func() {
		if err := s.loop.host.Users.Pinned(context.Background(), s.user, fn); err != nil {
			s.loop.host.Logger.Error("a user cannot be loaded", "user", s.user.Name(), "error", err)
			s.do(func() { s.end(wire.CloseInternal, "the store cannot be read") })
		}
	})
}

// pinnedJob runs a job with the user's state pinned, and then the job's onLoop on the
// loop, with the state still pinned, so that it decides by the current memberships. If
// the session has ended, otherwise runs off the loop.
func (s *Session) pinnedJob(job func() (onLoop, otherwise func())) {
	s.Job(func() {
		if err := s.loop.host.Users.Pin(s.loop.host.Base, s.user); err != nil {
			s.failed("a user cannot be loaded", err)
			return
		}
		onLoop, otherwise := job()
		if onLoop == nil {
			s.user.Unpin()
			return
		}
		s.orElse(func() {
			onLoop()
			s.user.Unpin()
		}, func() {
			otherwise()
			s.user.Unpin()
		})
	})
}

// orElse runs fn on the loop or, if the session has ended, otherwise off the loop.
func (s *Session) orElse(fn, otherwise func()) {
	posted := s.loop.Do(func() {
		if s.ending {
			s.Job(otherwise)
			return
		}
		fn()
	})
	if !posted {
		otherwise()
	}
}
