package enginetest

import (
	"sync"
	"time"
)

// Clock is the system's clocks, which the test moves.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	elapsed time.Duration
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// NewClock starts a clock at some noon.
func NewClock() *Clock { return &Clock{now: start} }

// Now is the time that the wall clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Elapsed is how much time has passed.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.elapsed = c.now.Add(d), c.elapsed+d
}

// Jump sets the wall clock forward or back, while no time passes.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// steady is the time without the jumps.
func (c *Clock) steady() time.Time { return start.Add(c.Elapsed()) }
