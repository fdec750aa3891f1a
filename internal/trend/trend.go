// Package trend keeps the numbers of the last hour that charts show.
package trend

import (
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// Interval is the time between two points.
	Interval = 5 * time.Second
	// Length is how many points a ring keeps: an hour of them.
	Length = int(time.Hour / Interval)
)

// Point is the state at one time, in 48 bytes.
type Point struct {
	Elapsed     int64 // in ms since the start, whatever the system's clock says
	Connections int
	Users       int
	Pushes      uint64 // since the start, as Deliveries is
	Deliveries  uint64
	Memory      uint64 // bytes of the process
}

// At is the time of the point by the clock that says now, so much time after the start.
func (p *Point) At(now time.Time, elapsed time.Duration) time.Time {
	return now.Add(time.Duration(p.Elapsed)*time.Millisecond - elapsed)
}

// Ring keeps the last points in 34 560 bytes, which it has from the beginning. It is safe for
// concurrent use.
type Ring struct {
	mu     sync.Mutex
	points [Length]Point
	added  int
}

// Add adds a point, in the place of the oldest one when the ring is full.
func (r *Ring) Add(p Point) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.points[r.added%Length] = p
	r.added++
}

// Points returns the points, oldest first.
func (r *Ring) Points() []Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(r.added, Length)
	all := make([]Point, n)
	for i := range all {
		all[i] = r.points[(r.added-n+i)%Length]
	}
	return all
}

// Run adds a point now, and then one in each interval until stop is closed.
func (r *Ring) Run(stop <-chan struct{}, read func() Point) {
	ticks := time.NewTicker(Interval)
	defer ticks.Stop()
	for {
		r.Add(read())
		select {
		case <-ticks.C:
		case <-stop:
			return
		}
	}
}

// Memory is what the process holds of the system's memory, as the Go runtime counts it.
func Memory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
