package load

import (
	"sync"
	"time"
)

// tally counts what the sessions of one loop received. It is safe for concurrent
// use.
type tally struct {
	mu struct {
		sync.Mutex
		counts
		each     histogram // push to receipt, of every delivery
		interval histogram // the same since the last cut
	}
}

// counts of messages of this run.
type counts struct {
	delivered uint64 // in their place
	gaps      uint64 // messages that others overtook
	repeats   uint64 // messages that had come before, or come too late
	spoilt    uint64 // messages that are not what was pushed
	foreign   uint64 // messages of another run
}

func (c *counts) add(other counts) {
	c.delivered += other.delivered
	c.gaps += other.gaps
	c.repeats += other.repeats
	c.spoilt += other.spoilt
	c.foreign += other.foreign
}

func (t *tally) count(c counts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.add(c)
}

// deliver counts a message received in order.
func (t *tally) deliver(latency time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.delivered++
	t.mu.each.add(latency)
	t.mu.interval.add(latency)
}

// tallies are those of all loops.
type tallies []*tally

func (ts tallies) counts() (sum counts) {
	for _, t := range ts {
		t.mu.Lock()
		sum.add(t.mu.counts)
		t.mu.Unlock()
	}
	return sum
}

func (ts tallies) each() *histogram {
	sum := &histogram{}
	for _, t := range ts {
		t.mu.Lock()
		sum.merge(&t.mu.each)
		t.mu.Unlock()
	}
	return sum
}

// cut returns what arrived since the last cut.
func (ts tallies) cut() *histogram {
	sum := &histogram{}
	for _, t := range ts {
		t.mu.Lock()
		sum.merge(&t.mu.interval)
		t.mu.interval = histogram{}
		t.mu.Unlock()
	}
	return sum
}

// reset clears everything, so that a warm-up does not count.
func (ts tallies) reset() {
	for _, t := range ts {
		t.mu.Lock()
		t.mu.counts, t.mu.each, t.mu.interval = counts{}, histogram{}, histogram{}
		t.mu.Unlock()
	}
}
