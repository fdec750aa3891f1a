package load

import (
	"sync"
	"sync/atomic"
	"time"
)

// flight follows messages until the last of their readers has them. The number of
// messages under way is bounded by its slots. Whoever launches is one goroutine;
// arrivals come from all loops.
type flight struct {
	readers int
	left    []atomic.Int64 // by number, modulo the slots
	landed  chan struct{}  // one for each message that everybody has

	mu   sync.Mutex
	last histogram // push to the last receipt; guarded by mu
}

func newFlight(readers, slots int) *flight {
	return &flight{readers: readers, left: make([]atomic.Int64, slots), landed: make(chan struct{}, slots)}
}

// launch has to come before the message is pushed, and after the one that was in
// the slot has landed.
func (f *flight) launch(n uint64) {
	f.left[n%uint64(len(f.left))].Store(int64(f.readers))
}

func (f *flight) arrived(n uint64, latency time.Duration) {
	if f.left[n%uint64(len(f.left))].Add(-1) != 0 {
		return
	}
	f.mu.Lock()
	f.last.add(latency)
	f.mu.Unlock()
	select {
	case f.landed <- struct{}{}:
	default: // only a server that sends what was not pushed comes here
	}
}

// reset forgets the latencies.
func (f *flight) reset() {
	f.mu.Lock()
	f.last = histogram{}
	f.mu.Unlock()
}

// latencies of the last receipts.
func (f *flight) latencies() *histogram {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.last
	return &h
}
