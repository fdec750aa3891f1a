package hooks

import (
	"sync"
	"time"
)

// breaker keeps requests from a backend that fails: after some failures in a row it opens,
// and no request is sent for a while. Then one is sent: if it succeeds, the breaker closes,
// else it stays open for twice as long.
type breaker struct {
	mu       sync.Mutex
	failures int           // in a row
	last     string        // connection of the last failure that its request may have caused
	until    time.Time     // zero: closed
	pause    time.Duration // how long it was opened for
	probing  bool          // a request is under way to find out
	opened   uint64        // how often it was opened
}

const (
	failuresToOpen = 10
	firstPause     = time.Second
	longestPause   = 10 * time.Second
)

// admit reports whether a request may be sent; if not, it returns the time until the next
// one may be. Each admitted request ends with succeeded, failed or canceled.
func (b *breaker) admit(now time.Time) (wait time.Duration, probe, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return 0, false, true
	case now.Before(b.until):
		return b.until.Sub(now), false, false
	case b.probing:
		return firstPause, false, false
	}
	b.probing = true
	return 0, true, true
}

// blocked reports whether a request would not be admitted now, without sending one.
func (b *breaker) blocked(now time.Time) (wait time.Duration, blocked bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.until.IsZero():
		return 0, false
	case now.Before(b.until):
		return b.until.Sub(now), true
	}
	return firstPause, b.probing
}

// succeeded records a response, also one to a request that was sent before the breaker
// opened. It reports whether that closed the breaker.
func (b *breaker) succeeded() (closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	closed = !b.until.IsZero()
	b.failures, b.last, b.until, b.pause, b.probing = 0, "", time.Time{}, 0, false
	return closed
}

// failed records a failure, and reports whether that opened the breaker. Failures that a
// client may have caused by what it sent name its connection: those of one connection
// count once in a row, so that one client does not cut off the others.
func (b *breaker) failed(now time.Time, probe bool, connection string) (opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case probe:
		b.failures++
		b.probing = false
		b.pause = min(2*b.pause, longestPause)
		b.until = now.Add(b.pause)
		return false
	case !b.until.IsZero():
		return false // sent before it opened
	case connection != "" && connection == b.last:
		return false
	}
	b.last = connection
	b.failures++
	if b.failures < failuresToOpen {
		return false
	}
	b.opened++
	b.pause = firstPause
	b.until = now.Add(b.pause)
	return true
}

// canceled records that a request ended without a result.
func (b *breaker) canceled(probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
}

// state returns whether the breaker is open, the failures in a row that it has counted,
// and how often it was opened.
func (b *breaker) state() (open bool, failures int, opened uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.until.IsZero(), b.failures, b.opened
}
