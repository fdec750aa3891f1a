package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Connecting ten thousand clients produces garbage several times the size of what
// they need. A server that then only holds their connections allocates nothing, so
// the garbage collector does not run for two minutes, and returns memory to the
// system even later. The tidier therefore runs one collection after a burst; it does
// not affect a busy server.
const (
	tidyInterval = 5 * time.Second
	tidyQuiet    = 1 << 20 // below this allocation per interval the server is idle
	tidyWorth    = 8 << 20 // minimum allocation since the last collection
	tidyAfter    = 3       // idle intervals: meanwhile the library evicts the state of idle users
)

// tidier decides when to collect, from the number of bytes allocated so far.
type tidier struct {
	last, collected uint64
	idle            int // intervals in a row
}

// due is called once per interval.
func (t *tidier) due(allocated uint64) bool {
	if allocated-t.last < tidyQuiet {
		t.idle++
	} else {
		t.idle = 0
	}
	t.last = allocated
	if t.idle < tidyAfter || allocated-t.collected < tidyWorth {
		return false
	}
	t.collected = allocated
	return true
}

// gcPercent is how much may be allocated until the next collection: half of the live
// heap, where Go's default is all of it. Objects of connections made during a burst
// of garbage are then closer together for the lifetime of the connections. A server
// with a small live heap gets some headroom; otherwise it would collect
// continuously. While nobody connects, the headroom is larger: a collection delays
// deliveries, and nothing of what is allocated then stays.
const (
	gcPercent      = 50
	gcHeadroom     = 12 << 20
	gcHeadroomMost = 64 << 20
)

// steadyHeadroom is the headroom while nobody connects, for a memory limit.
func steadyHeadroom(limit uint64) uint64 {
	return min(max(limit/32, gcHeadroom), gcHeadroomMost)
}

// pacer chooses the GC percentage after each collection.
type pacer struct {
	steady  uint64 // headroom while the live heap does not grow
	live    uint64 // at the last collection
	percent int    // in effect
}

// next returns the percentage for the bytes that a collection scans: live heap, stacks
// and globals. False means that the one in effect is good enough: setting one stops
// the program for a moment.
func (p *pacer) next(live uint64) (percent int, set bool) {
	headroom := p.steady
	if live > p.live+p.live/16 {
		headroom = gcHeadroom
	}
	p.live = live
	percent = max(gcPercent, int(headroom*100/max(live, headroom/16)))
	if d := percent - p.percent; max(d, -d) <= p.percent/8 {
		return p.percent, false
	}
	p.percent = percent
	return percent, true
}

// heap applies the memoryPlan to the garbage collector, and detects when connections
// have used up their share.
type heap struct {
	full  atomic.Bool // as of the last collection
	pacer *pacer      // nil: GOGC is set
}

// fullShare is the percentage of the memory limit that may be live before new
// connections are refused: above it, collections would follow each other without a
// pause.
const fullShare = 80

// run applies a memory limit until ctx is done.
func (h *heap) run(ctx context.Context, limit int64) {
	debug.SetMemoryLimit(limit)
	if os.Getenv("GOGC") == "" {
		h.pacer = &pacer{steady: steadyHeadroom(uint64(limit))}
	}
	h.afterCollection(ctx, uint64(limit))
	tidyMemory(ctx)
}

// collected is an unreachable object whose finalizer runs after the next collection,
// or the one after it.
type collected [16]byte

// afterCollection checks live memory now and after each collection until ctx is
// done.
func (h *heap) afterCollection(ctx context.Context, limit uint64) {
	if ctx.Err() != nil {
		return
	}
	live := read("/gc/heap/live:bytes") + read("/gc/scan/stack:bytes") + read("/gc/scan/globals:bytes")
	h.full.Store(live/fullShare > limit/100)
	if h.pacer != nil {
		if percent, set := h.pacer.next(live); set {
			debug.SetGCPercent(percent)
		}
	}
	runtime.SetFinalizer(new(collected), func(*collected) { h.afterCollection(ctx, limit) })
}

// tidyMemory runs until ctx is done.
func tidyMemory(ctx context.Context) {
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	var t tidier
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if t.due(read("/gc/heap/allocs:bytes")) {
			runtime.GC() // a sync.Pool is emptied at the second collection
			debug.FreeOSMemory()
		}
	}
}

// read returns a runtime metric.
func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
