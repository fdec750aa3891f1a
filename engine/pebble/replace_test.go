package pebble

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
)

// TestReplaceCrash loses power after every operation of receiving and installing a
// snapshot, and of the completion after a first crash. The store is always the old one or
// the new one.
func TestReplaceCrash(t *testing.T) {
	t.Parallel()
	source := filledReplica(t, vfs.NewMem(), 150)
	defer source.Close()
	for name, old := range map[string]uint64{"empty": 0, "behind": 70} {
		t.Run(name, func(t *testing.T) {
			for _, percent := range []int{0, 50, 100} {
				disk := vfs.NewCrashableMem()
				if old > 0 {
					r := filledReplica(t, disk, old)
					if err := r.Outdate("it is behind"); err != nil {
						t.Fatal(err)
					}
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
				}
				cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 1))}
				seen := map[uint64]int{}
				for i, crashed := range crashes(disk, cfg, func(fs vfs.FS) {
					if err := receive(source, testDirectory(fs)); err != nil {
						t.Fatal(err)
					}
				}) {
					// The completion crashes, too, at one of its operations.
					again := crashes(crashed, cfg, func(fs vfs.FS) {
						if err := directory.Settle(fs, "store"); err != nil && old > 0 {
							t.Fatalf("crash %d: %v", i, err)
						}
					})
					if len(again) > 0 {
						crashed = again[cfg.RNG.IntN(len(again))]
					}
					r := openTestReplica(t, crashed)
					at, _, _ := r.Applied(0)
					if at != old && at != 150 {
						t.Errorf("crash %d: position %d", i, at)
					}
					seen[at]++
					if reason, err := directory.Outdated(crashed, "store"); err != nil || (reason == "it is behind") != (at == 70) {
						t.Errorf("crash %d: at %d it is outdated because %q, %v", i, at, reason, err)
					}
					if b, err := r.Bounds(t.Context(), "c0"); err != nil || b.Head != at {
						t.Errorf("crash %d: %+v, %v at position %d", i, b, err, at)
					}
					if err := r.Close(); err != nil {
						t.Error(err)
					}
					if rep, err := Check(crashed, "store"); err != nil || !rep.OK() {
						t.Errorf("crash %d: %+v, %v", i, rep, err)
					}
				}
				if seen[old] == 0 || seen[150] == 0 {
					t.Errorf("positions after the crashes: %v", seen)
				}
			}
		})
	}
}

// crashes runs do, and returns what power cuts before each of its changes leave.
func crashes(disk *vfs.MemFS, cfg vfs.CrashCloneCfg, do func(vfs.FS)) (all []*vfs.MemFS) {
	var mu sync.Mutex // a store writes from several goroutines
	do(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, disk.CrashClone(cfg))
		}
		return nil
	})))
	return append(all, disk.CrashClone(cfg))
}

// TestOutdated: a replica that must be replaced is not opened before it is, except as a
// store of its own.
func TestOutdated(t *testing.T) {
	t.Parallel()
	source := filledReplica(t, vfs.NewMem(), 20)
	defer source.Close()
	fs := vfs.NewMem()
	outdate := func() {
		r := filledReplica(t, fs, 10)
		if err := errors.Join(r.Outdate("it is behind"), r.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := testDirectory(fs).Open(); !errors.Is(err, engine.ErrOutdated) || !strings.Contains(err.Error(), "it is behind") {
			t.Fatalf("%v", err)
		}
	}
	outdate()
	if err := receive(source, testDirectory(fs)); err != nil {
		t.Fatal(err)
	}
	r, err := testDirectory(fs).Open()
	if err != nil {
		t.Fatal(err)
	}
	if at, _, _ := r.Applied(0); at != 20 {
		t.Errorf("position %d", at)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	outdate()
	if err := openTest(t, fs).Close(); err != nil {
		t.Fatal(err)
	}
	if reason, err := directory.Outdated(fs, "store"); reason != "" || err != nil {
		t.Errorf("a store of its own is outdated: %q, %v", reason, err)
	}
}
