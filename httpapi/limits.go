package httpapi

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost"
)

// The reasons for which requests are refused, as wirepost_refused_total counts them.
const (
	refusedPace   = "push_rate"
	refusedMemory = "push_memory"
	refusedNoKey  = "api_key"
	refusedScopes = "api_scope"
	refusedSlow   = "slow_body"
)

// pace limits the messages that a key may push in a second. A push of many messages may
// exceed it; later pushes wait for that. A nil *pace allows everything.
type pace struct{ bucket *rate.Limiter }

// newPace makes the pace of a key. A second's worth may come at once.
func newPace(perSecond int) *pace {
	if perSecond <= 0 {
		return nil
	}
	return &pace{rate.NewLimiter(rate.Limit(perSecond), perSecond)}
}

// admit allows one message, or refuses it with the time after which to try again.
func (p *pace) admit() error {
	now := time.Now()
	if p == nil || p.bucket.AllowN(now, 1) {
		return nil
	}
	missing := 1 - p.bucket.TokensAt(now)
	return &wirepost.Error{
		Code: wirepost.CodeRateLimited, Message: "this API key pushes more messages per second than allowed",
		RetryAfter: time.Duration(missing / float64(p.bucket.Limit()) * float64(time.Second)),
	}
}

// reserve allows n messages, and returns how long to wait until they are within the
// pace.
func (p *pace) reserve(n int) time.Duration {
	if p == nil {
		return 0
	}
	now, delay := time.Now(), time.Duration(0)
	for n > 0 {
		part := min(n, p.bucket.Burst())
		delay = p.bucket.ReserveN(now, part).DelayFrom(now)
		n -= part
	}
	return delay
}

// budget bounds the memory of all pushes in progress, by the size that their bodies may
// have.
type budget struct {
	limit int64
	used  atomic.Int64
}

// reserve reserves bytes until release. One push is always allowed, whatever its size.
func (b *budget) reserve(n int64) bool {
	if used := b.used.Add(n); used > b.limit && used > n {
		b.used.Add(-n)
		return false
	}
	return true
}

// reserveMore reserves more bytes for a push in progress. It leaves a quarter for later
// pushes.
func (b *budget) reserveMore(n int64) bool {
	if b.used.Add(n) > b.limit-b.limit/4 {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) release(n int64) { b.used.Add(-n) }

var errOverload = &wirepost.Error{
	Code: wirepost.CodeUnavailable, Message: "too many pushes are in progress: try again in a moment", RetryAfter: time.Second,
}
