package session

// A session remembers the memberships that its client has unsubscribed, until the client
// subscribes to them or they end. All on the loop.

func (s *Session) hasUnsubscribed(channel string) bool {
	return s.work != nil && s.work.unsubscribed[channel]
}

func (s *Session) rememberUnsubscribed(channel string) {
	w := s.theWork()
	if w.unsubscribed == nil {
		w.unsubscribed = map[string]bool{}
	}
	w.unsubscribed[channel] = true
}

func (s *Session) forgetUnsubscribed(channel string) {
	if s.work != nil {
		delete(s.work.unsubscribed, channel)
	}
}

// withoutUnsubscribed removes the channels that the client has unsubscribed from those
// that the user's sessions are subscribed to. A membership that has ended is forgotten.
func (s *Session) withoutUnsubscribed(granted map[string]bool) {
	if s.work == nil {
		return
	}
	for channel := range s.work.unsubscribed {
		if !granted[channel] {
			delete(s.work.unsubscribed, channel)
		}
		delete(granted, channel)
	}
}
