package enginetest

import (
	"sync"
	"time"
)

// Clock fakes the system's clocks. The test moves them.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	elapsed time.Duration
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// NewClock returns a clock that starts at noon of a fixed day.
func NewClock() *Clock { return &Clock{now: start} }

// Now returns the wall clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Elapsed returns how much time has passed.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Advance moves both clocks forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.elapsed = c.now.Add(d), c.elapsed+d
}

// Jump sets the wall clock forward or back; no time passes.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// steady returns the time without the jumps.
func (c *Clock) steady() time.Time { return start.Add(c.Elapsed()) }
