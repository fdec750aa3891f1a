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

// Connecting ten thousand clients leaves garbage that is several times what they
// need. A server that then only holds their connections allocates nothing, so the
// collector, which goes by allocations, does not come for two minutes, and what it
// frees goes back to the system later still. tidy collects once when a burst is
// over; a server that is busy it leaves alone.
const (
	tidyInterval = 5 * time.Second
	tidyQuiet    = 1 << 20 // allocating less than this in an interval is being idle
	tidyWorth    = 8 << 20 // and more than this since the last time is worth it
	tidyAfter    = 3       // idle intervals: the library lets idle users' state go meanwhile
)

// tidier decides when to collect, by the bytes allocated so far.
type tidier struct {
	last, collected uint64
	idle            int // intervals in a row
}

// due is asked once in an interval.
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

// How much may be allocated until the next collection: half of what is alive, where
// Go's default is all of it. What connects during a burst of garbage then lies
// closer together, and stays so for as long as it is connected. A server that has
// little alive is left some room: it would do nothing but collect.
const (
	gcPercent  = 50
	gcHeadroom = 12 << 20
)

// percentFor is the setting for what a collection goes through, in bytes: what is
// alive, stacks and globals.
func percentFor(live uint64) int {
	return max(gcPercent, int(gcHeadroom*100/max(live, gcHeadroom/4)))
}

// heap keeps the collector to a memoryPlan, and knows when connections have taken
// what the plan leaves them.
type heap struct {
	full atomic.Bool // as of the last collection
}

// fullShare is how much of the collector's limit may be alive, in percent, before
// new connections are refused: with more alive, collections would follow each other
// without end.
const fullShare = 80

// run holds the heap to a limit until ctx ends.
func (h *heap) run(ctx context.Context, limit int64) {
	debug.SetMemoryLimit(limit)
	h.afterCollection(ctx, uint64(limit), os.Getenv("GOGC") == "")
	tidyMemory(ctx)
}

// collected is an object that nobody holds: a finalizer of it runs after the next
// collection, or the one behind it.
type collected [16]byte

// afterCollection looks at what is alive, now and after each collection until ctx
// ends. Pace says to set the collector's percentage.
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

// tidyMemory runs until ctx ends.
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
			runtime.GC() // a sync.Pool lets go at the second collection
			debug.FreeOSMemory()
		}
	}
}

// read reads one of the runtime's numbers.
func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
