// Package count owns the server's counters. They are atomics, so that counting needs no
// metrics library.
package count

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Counters are the counters of a server.
type Counters struct {
	Pushes     atomic.Uint64 // messages and revocations stored
	Deliveries atomic.Uint64 // messages written to connections
	Acks       atomic.Uint64 // messages acknowledged
	Gaps       atomic.Uint64 // times that a client continued after a gap
	ReadErrors atomic.Uint64 // failed reads of messages from the store
	Closes     ByLabel       // closed connections, by close code
	Refused    ByLabel       // refusals, by reason
	Appends    Histogram     // the time of each append
}

// ByLabel is a counter for each label. Labels are few, because each is a time series.
type ByLabel struct{ counts sync.Map } // of *atomic.Uint64

// Add counts one.
func (b *ByLabel) Add(label string) {
	n, ok := b.counts.Load(label)
	if !ok {
		n, _ = b.counts.LoadOrStore(label, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// All returns the counts.
func (b *ByLabel) All() map[string]uint64 {
	all := map[string]uint64{}
	b.counts.Range(func(label, n any) bool {
		all[label.(string)] = n.(*atomic.Uint64).Load()
		return true
	})
	return all
}

// The upper bounds of a histogram's buckets are first, twice that, and so on.
const (
	first   = 50 * time.Microsecond
	buckets = 16
)

// Histogram counts durations in buckets.
type Histogram struct {
	counts [buckets + 1]atomic.Uint64 // the last one has no upper bound
	sum    atomic.Int64               // ns
	last   atomic.Int64               // ns
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for bound := first; i < buckets && d > bound; bound *= 2 {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
	h.last.Store(int64(d))
}

// Last returns the newest duration; 0 if there was none.
func (h *Histogram) Last() time.Duration { return time.Duration(h.last.Load()) }

// Snapshot is a copy of a histogram.
type Snapshot struct {
	Count   uint64
	Sum     float64            // seconds
	Buckets map[float64]uint64 // number of durations up to an upper bound in seconds, by that bound
}

// Snapshot returns a copy.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Sum: time.Duration(h.sum.Load()).Seconds(), Buckets: make(map[float64]uint64, buckets)}
	for i := range h.counts {
		s.Count += h.counts[i].Load()
		if i < buckets {
			s.Buckets[first.Seconds()*math.Pow(2, float64(i))] = s.Count
		}
	}
	return s
}
