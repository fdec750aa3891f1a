package pebble_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
)

// A crash may keep or lose anything that was not synced, in pieces. The store is
// copied that way in the middle of appends, many times, and every copy is opened
// and checked against what had been acknowledged before.
func TestCrash(t *testing.T) {
	for seed := uint64(0); seed < 4; seed += pebble.Stride {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			crash(t, rand.New(rand.NewPCG(seed, 7)))
		})
	}
}

func crash(t *testing.T, random *rand.Rand) {
	fs := vfs.NewCrashableMem()
	e, err := pebble.Open("store", pebble.Options{FS: pebble.OnDisk{FS: fs}, Logger: quiet, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var acks []ack
	var copies []*vfs.MemFS
	var known []int // how many acks had come before each copy
	next := 1 + random.IntN(40)
	stop := make(chan struct{})
	pushAll(e, 0, 8, stop, func(a ack) {
		mu.Lock()
		defer mu.Unlock()
		acks = append(acks, a)
		if len(acks) != next {
			return
		}
		copies = append(copies, fs.CrashClone(vfs.CrashCloneCfg{
			UnsyncedDataPercent: random.IntN(101), RNG: rand.New(rand.NewPCG(random.Uint64(), 0)),
		}))
		known = append(known, len(acks))
		next += 1 + random.IntN(1200)
		if len(copies) == 8 {
			close(stop)
		}
	})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for i, fs := range copies {
		e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet})
		if err != nil {
			t.Fatalf("copy %d: %v", i, err)
		}
		verify(t, e, acks[:known[i]])
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A save without waiting may be lost in a crash, until anybody syncs: also by a
// save that has nothing of its own to store.
func TestSyncedSaveCoversEarlierOnes(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	mark := engine.Mark{Channel: "room", Read: 7}
	if err := e.Save(t.Context(), []engine.Update{{User: "42", Marks: []engine.Mark{mark}}}, false); err != nil {
		t.Fatal(err)
	}
	if err := e.Save(t.Context(), nil, true); err != nil {
		t.Fatal(err)
	}
	after, err := pebble.Open("store", pebble.Options{FS: fs.CrashClone(vfs.CrashCloneCfg{}), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if u, err := after.Load(t.Context(), "42"); err != nil || len(u.Marks) != 1 || u.Marks[0] != mark {
		t.Fatalf("after the crash: %+v, %v", u, err)
	}
}
