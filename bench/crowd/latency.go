package crowd

import (
	"slices"
	"sync"
	"time"
)

// recorder records the time from a mark to each later message.
type recorder struct {
	mu    sync.Mutex
	on    bool
	begun time.Time
	all   []time.Duration
}

// Mark starts the clock for later messages.
func (c *Crowd) Mark() {
	c.latencies.mu.Lock()
	defer c.latencies.mu.Unlock()
	c.latencies.on, c.latencies.begun = true, time.Now()
}

// Sent starts the clock for the next message to client i.
func (c *Crowd) Sent(i int) { c.sent[i].Store(int64(time.Since(c.started))) }

func (r *recorder) add(messages int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	r.recordLocked(messages, now.Sub(r.begun))
}

func (r *recorder) record(messages int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordLocked(messages, took)
}

func (r *recorder) recordLocked(messages int, took time.Duration) {
	for range messages {
		r.all = append(r.all, took)
	}
}

// Latencies returns the times recorded since the last call, sorted, and stops
// recording.
func (c *Crowd) Latencies() []time.Duration {
	c.latencies.mu.Lock()
	defer c.latencies.mu.Unlock()
	all := c.latencies.all
	c.latencies.on, c.latencies.all = false, nil
	slices.Sort(all)
	return all
}
