package session

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost/internal/fault"
)

// Meter limits the input of one client. It is owned by a loop.
type Meter struct {
	messages *rate.Limiter // nil without a limit
	bytes    *rate.Limiter // nil without a limit
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

// take counts a message, or returns the limit that it exceeds.
func (m *Meter) take(now time.Time, size int) *fault.Error {
	if m.messages != nil && !m.messages.AllowN(now, 1) {
		return &fault.Error{Code: fault.RateLimited, Reason: "message_rate", Message: "too many messages a second"}
	}
	if m.bytes != nil && !m.bytes.AllowN(now, size) {
		return &fault.Error{Code: fault.RateLimited, Reason: "byte_rate", Message: "too many bytes a second"}
	}
	return nil
}

// NewLimiter allows a burst of two seconds, or of the largest message if that is more:
// a client that reconnects needs to catch up.
func NewLimiter(perSecond float64, one int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(one, int(2*perSecond)))
}

// metered reports whether the input of clients is limited.
func (c *Config) metered() bool { return c.MessageRate > 0 || c.ByteRate > 0 }

// maxFrame is the longest message accepted from a socket: a publish frame with the
// largest data, in base64 or with escapes. Plain messages are limited to the data size
// itself.
func maxFrame(maxMessage int) int { return maxMessage + maxMessage/2 + 1<<10 }
