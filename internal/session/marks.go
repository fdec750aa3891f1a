package session

import "github.com/wirepost/wirepost/internal/callback"

// read moves the user's read mark and, if it moved, notifies the user's sessions. The
// user's state is pinned.
func (s *Session) read(channel string, seq uint64) {
	if s.user.AdvanceRead(channel, seq) {
		s.loop.host.Users.SaveLater(s.user)
		s.loop.host.notifyReadLater(s.user, channel)
		if s.loop.host.Hooks.Read != nil {
			s.laterJob(func() { s.loop.host.readMoved(s.lastingContext(), s.user.Name(), channel, seq) })
		}
	}
}

// acknowledged calls the application's callback.
func (s *Session) acknowledged(channel string, seq uint64) {
	h := s.loop.host
	if h.Hooks.Acknowledged == nil {
		return
	}
	s.laterJob(func() {
		callback.Guard(h.Logger, "OnAck", s.user.Name(), func() { //nolint:errcheck // it is logged
			h.Hooks.Acknowledged(s.lastingContext(), s.Info(), channel, seq)
		})
	})
}
