package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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

// gcPercent is less than Go's 100: what connects during a burst of garbage then
// lies closer together, and stays so for as long as it is connected. What it costs
// a push was not to be measured.
const gcPercent = 50

// tidyMemory runs until ctx ends.
func tidyMemory(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	var t tidier
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if t.due(allocated()) {
			runtime.GC() // a sync.Pool lets go at the second collection
			debug.FreeOSMemory()
		}
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
