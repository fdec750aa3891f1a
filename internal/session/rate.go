package session

import (
	"github.com/wirepost/wirepost/internal/wire"
)

// Allows reports whether a meter, which the first call creates, allows a client to send
// a message of that size now, and counts a refusal. On the loop.
func (l *Loop) Allows(m **Meter, size int) (why string, ok bool) {
	if !l.host.metered() {
		return "", true
	}
	if *m == nil {
		*m = newMeter(&l.host.Config)
	}
	if err := (*m).take(l.Now(), size); err != nil {
		l.host.Counters.Refused.Add(err.Reason)
		return err.Message, false
	}
	return "", true
}

// allows reports whether the client may send this message or ping; a client that sends
// too much is closed (4429). On the loop.
func (s *Session) allows(size int) bool {
	if !s.loop.host.metered() {
		return true // without creating a work for the meter
	}
	why, ok := s.loop.Allows(&s.theWork().meter, size)
	if !ok {
		s.end(wire.CloseTooMuch, why)
	}
	return ok
}
