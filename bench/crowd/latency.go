package crowd

import (
	"slices"
	"sync"
	"time"
)

// recorder takes the time from a mark to each message that comes after it.
type recorder struct {
	mu    sync.Mutex
	on    bool
	begun time.Time
	all   []time.Duration
}

// Mark starts the clock for the messages that come from now on.
func (c *Crowd) Mark() {
	c.latencies.mu.Lock()
	defer c.latencies.mu.Unlock()
	c.latencies.on, c.latencies.begun = true, time.Now()
}

func (r *recorder) add(messages int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	took := now.Sub(r.begun)
	for range messages {
		r.all = append(r.all, took)
	}
}

// Latencies returns what was recorded since the last call, in order of size, and
// stops the recording.
func (c *Crowd) Latencies() []time.Duration {
	c.latencies.mu.Lock()
	defer c.latencies.mu.Unlock()
	all := c.latencies.all
	c.latencies.on, c.latencies.all = false, nil
	slices.Sort(all)
	return all
}
