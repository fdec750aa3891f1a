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
// continuously.
const (
	gcPercent  = 50
	gcHeadroom = 12 << 20
)

// percentFor returns the percentage for the bytes that a collection scans: live
// heap, stacks and globals.
func percentFor(live uint64) int {
	return max(gcPercent, int(gcHeadroom*100/max(live, gcHeadroom/4)))
}

// heap applies the memoryPlan to the garbage collector, and detects when connections
// have used up their share.
type heap struct {
	full atomic.Bool // as of the last collection
}

// fullShare is the percentage of the memory limit that may be live before new
// connections are refused: above it, collections would follow each other without a
// pause.
const fullShare = 80

// run applies a memory limit until ctx is done.
func (h *heap) run(ctx context.Context, limit int64) {
	debug.SetMemoryLimit(limit)
	h.afterCollection(ctx, uint64(limit), os.Getenv("GOGC") == "")
	tidyMemory(ctx)
}

// collected is an unreachable object whose finalizer runs after the next collection,
// or the one after it.
type collected [16]byte

// afterCollection checks live memory now and after each collection until ctx is
// done. pace enables setting the GC percentage.
func (h *heap) afterCollection(ctx context.Context, limit uint64, pace bool) {
	if ctx.Err() != nil {
		return
	}
	live := read("/gc/heap/live:bytes") + read("/gc/scan/stack:bytes") + read("/gc/scan/globals:bytes")
	h.full.Store(live/fullShare > limit/100)
	if pace {
		debug.SetGCPercent(percentFor(live))
	}
	runtime.SetFinalizer(new(collected), func(*collected) { h.afterCollection(ctx, limit, pace) })
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
