package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is how long to wait before the next attempt: random from the whole range,
// so that clients that were disconnected together do not reconnect together.
type backoff struct {
	first, limit time.Duration
	attempt      int
}

func (b *backoff) next() time.Duration {
	highest := b.limit
	if b.attempt < 30 {
		highest = min(b.first<<b.attempt, b.limit)
		b.attempt++
	}
	if highest <= 0 { // the shift overflowed
		highest = b.limit
	}
	return rand.N(highest + 1)
}

func (b *backoff) reset() { b.attempt = 0 }

// sleep waits; false means that the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
