package session

// armTimer sets the session's timer to the next event that is due.
func (s *Session) armTimer() {
	if s.ending {
		return
	}
	now := s.loop.Now()
	due := s.nextBeat()
	if f := s.window; f != nil && !f.unpinged.IsZero() && !s.blocked {
		due = earlier(due, f.unpinged.Add(s.loop.host.AckDelay))
	}
	if s.expires != 0 {
		due = earlier(due, now.Add(s.lifetime()))
	}
	if s.work != nil && s.work.refreshAt != 0 {
		due = earlier(due, now.Add(s.until(s.work.refreshAt)))
	}
	s.loop.Arm(&s.timer, due.Sub(now))
}
