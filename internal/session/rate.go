package session

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/wire"
)

// Meter bounds what one client sends. It is owned by a loop.
type Meter struct {
	messages *rate.Limiter // nil without a limit
	bytes    *rate.Limiter // nil without a limit
}

// NewLimiter takes at once what comes in two seconds, and at least as much as one
// may be: who reconnects has something to catch up with.
func NewLimiter(perSecond float64, one int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(one, int(2*perSecond)))
}

func newMeter(c *Config) *Meter {
	m := &Meter{}
	if c.MessageRate > 0 {
		m.messages = NewLimiter(c.MessageRate, 1)
	}
	if c.ByteRate > 0 {
		m.bytes = NewLimiter(float64(c.ByteRate), maxFrame(c.MaxMessage))
	}
	return m
}

// take counts a message in, or says which limit it breaks.
func (m *Meter) take(now time.Time, size int) *fault.Error {
	if m.messages != nil && !m.messages.AllowN(now, 1) {
		return &fault.Error{Code: fault.RateLimited, Reason: "message_rate", Message: "too many messages a second"}
	}
	if m.bytes != nil && !m.bytes.AllowN(now, size) {
		return &fault.Error{Code: fault.RateLimited, Reason: "byte_rate", Message: "too many bytes a second"}
	}
	return nil
}

// metered says that what clients send is limited.
func (c *Config) metered() bool { return c.MessageRate > 0 || c.ByteRate > 0 }

// Allows asks a meter, which it makes the first time, whether a client may send a
// message of that size now, and counts a refusal. On the loop.
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

// allows says whether the client may send this message, or ping, too; one that sends
// too much is closed (4429). On the loop.
func (s *Session) allows(size int) bool {
	if !s.loop.host.metered() {
		return true // and no work is made for a meter
	}
	why, ok := s.loop.Allows(&s.theWork().meter, size)
	if !ok {
		s.end(wire.CloseTooMuch, why)
	}
	return ok
}
