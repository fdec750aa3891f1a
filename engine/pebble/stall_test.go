package pebble_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
)

// gate is a disk whose log takes as long to sync as the gate is shut.
type gate struct {
	mu   sync.Mutex
	open *sync.Cond
	shut bool
}

func newGate() *gate {
	g := &gate{}
	g.open = sync.NewCond(&g.mu)
	return g
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	g.open.Broadcast()
}

func (g *gate) wrap(disk vfs.FS) vfs.FS {
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if sync && strings.HasSuffix(op.Path, ".log") {
			g.mu.Lock()
			defer g.mu.Unlock()
			for g.shut {
				g.open.Wait()
			}
		}
		return nil
	}))
}

// later calls push in a goroutine, which is over when the channel has the error.
func later(e engine.Engine, channel, data string) <-chan error {
	done := make(chan error, 1)
	go func() { done <- push(e, channel, data) }()
	synctest.Wait()
	return done
}

// stallAfter is pebble's default of Options.StallAfter.
const stallAfter = 10 * time.Second

// While the disk hangs, waiting writes fail after StallAfter and later ones immediately.
// The engine continues when the disk does. Then the writes of the current commit are
// stored, and those in the queue are not.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e, err := pebble.Open("store", pebble.Options{FS: g.wrap(vfs.NewMem()), Logger: quiet, StallAfter: stallAfter})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := push(e, "a", "before"); err != nil {
			t.Fatal(err)
		}
		g.set(true)
		began := time.Now()
		underWay, queued := later(e, "a", "under way"), later(e, "a", "queued")
		if err := e.Ready(); err != nil {
			t.Errorf("ready at once: %v", err)
		}
		for _, done := range []<-chan error{underWay, queued} {
			if err := <-done; !errors.Is(err, engine.ErrStalled) || !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("append to a disk that hangs: %v", err)
			}
		}
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("answered after %s", d)
		}
		if err := push(e, "a", "later"); !errors.Is(err, engine.ErrStalled) {
			t.Errorf("another append: %v", err)
		}
		if err := e.Save(t.Context(), []engine.Update{{User: "u"}}, true); !errors.Is(err, engine.ErrStalled) {
			t.Errorf("save: %v", err)
		}
		if err := e.Trim(t.Context(), "a", 1); !errors.Is(err, engine.ErrStalled) {
			t.Errorf("trim: %v", err)
		}
		if err := e.Ready(); !errors.Is(err, engine.ErrStalled) {
			t.Errorf("ready: %v", err)
		}
		if l := stored(t, e, "a"); l.count != 1 {
			t.Errorf("%d messages can be read", l.count)
		}
		time.Sleep(time.Minute)
		if err := e.Ready(); !errors.Is(err, engine.ErrFailed) {
			t.Errorf("ready after a minute: %v", err)
		}
		g.set(false)
		synctest.Wait()
		if err := e.Ready(); err != nil {
			t.Errorf("ready again: %v", err)
		}
		if err := push(e, "a", "after"); err != nil {
			t.Fatal(err)
		}
		if l := stored(t, e, "a"); l.count != 3 || l.bounds.Head != 3 {
			t.Errorf("%d messages, bounds %+v", l.count, l.bounds)
		}
	})
}

// Writes that wait for room in the queue fail, too.
func TestDiskHangsQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e, err := pebble.Open("store", pebble.Options{FS: g.wrap(vfs.NewMem()), Logger: quiet, StallAfter: stallAfter})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		g.set(true)
		data := strings.Repeat("x", 1<<20)
		var all []<-chan error
		for range 12 {
			all = append(all, later(e, "a", data))
		}
		for _, done := range all {
			if err := <-done; !errors.Is(err, engine.ErrStalled) {
				t.Errorf("append: %v", err)
			}
		}
		g.set(false)
		synctest.Wait()
		if err := push(e, "a", "x"); err != nil {
			t.Error(err)
		}
	})
}

// Close does not hang with the disk, and frees the directory when that goes on.
func TestDiskHangsAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, disk := newGate(), vfs.NewMem()
		e, err := pebble.Open("store", pebble.Options{FS: g.wrap(disk), Logger: quiet, StallAfter: stallAfter})
		if err != nil {
			t.Fatal(err)
		}
		if err := push(e, "a", "before"); err != nil {
			t.Fatal(err)
		}
		g.set(true)
		if err := push(e, "a", "under way"); !errors.Is(err, engine.ErrStalled) {
			t.Errorf("append: %v", err)
		}
		began := time.Now()
		if err := e.Close(); !errors.Is(err, engine.ErrStalled) || time.Since(began) > time.Second {
			t.Errorf("close: %v after %s", err, time.Since(began))
		}
		g.set(false)
		synctest.Wait()
		e, err = pebble.Open("store", pebble.Options{FS: disk, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if l := stored(t, e, "a"); l.count != 2 {
			t.Errorf("%d messages", l.count)
		}
	})
}

// A shortage when the store opens files: writes are refused meanwhile, in bounded
// time, and taken again when it is over. Nothing that was acknowledged is missing.
func TestShortage(t *testing.T) {
	opens := func(op errorfs.Op) bool {
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpOpen, errorfs.OpOpenDir, errorfs.OpList:
			return true
		}
		return false
	}
	of := func(part string) func(errorfs.Op) bool {
		return func(op errorfs.Op) bool { return opens(op) && strings.Contains(op.Path, part) }
	}
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENOSPC} {
		for name, hit := range map[string]func(errorfs.Op) bool{
			"logs": of(".log"), "tables": of(".sst"), "all": opens,
		} {
			t.Run(fmt.Sprint(errno, "/", name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { runShort(t, errno, hit) })
			})
		}
	}
}

func runShort(t *testing.T, errno syscall.Errno, hit func(errorfs.Op) bool) {
	var short, met atomic.Bool
	disk := vfs.NewMem()
	e, err := pebble.Open("store", pebble.Options{
		FS: errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if short.Load() && hit(op) {
				met.Store(true)
				return errno
			}
			return nil
		})), Logger: quiet, MemTableBytes: 256 << 10, StallAfter: stallAfter,
	})
	if err != nil {
		t.Fatal(err)
	}
	data := strings.Repeat("x", 20<<10)
	acknowledged := 0
	pushSome := func(n int) {
		for range n {
			began := time.Now()
			switch err := push(e, "a", data); {
			case err == nil:
				acknowledged++
			case !errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrFailed):
				t.Fatalf("append: %v", err)
			case time.Since(began) > 11*time.Second:
				t.Fatalf("refused after %s", time.Since(began))
			}
		}
	}
	pushSome(100)
	for round := range 2 {
		short.Store(true)
		pushSome(60)
		time.Sleep(5 * time.Second)
		short.Store(false)
		for range 40 { // what Pebble leaves alone for half a minute is over then
			time.Sleep(time.Second)
		}
		if err := e.Ready(); err != nil {
			t.Fatalf("round %d: ready: %v", round, err)
		}
		before := acknowledged
		pushSome(20)
		if acknowledged != before+20 {
			t.Fatalf("round %d: %d of 20 taken", round, acknowledged-before)
		}
	}
	if !met.Load() && strings.HasSuffix(t.Name(), "logs") {
		t.Error("the shortage was not met")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err = pebble.Open("store", pebble.Options{FS: disk, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if l := stored(t, e, "a"); l.count < acknowledged {
		t.Errorf("%d messages, %d were acknowledged", l.count, acknowledged)
	}
}

// brokenCompactions is a disk on which compactions, but not flushes, fail.
type brokenCompactions struct {
	vfs.FS
	broken *atomic.Bool
	failed *atomic.Int64
}

func (b brokenCompactions) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if b.broken.Load() && c == "pebble-compaction" {
		b.failed.Add(1)
		return nil, errDisk
	}
	return b.FS.Create(name, c)
}

// Compactions fail until Pebble stalls writes. When they work again the stall ends,
// although Pebble by itself would not try again.
func TestCompactionsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		var failed atomic.Int64
		e, err := pebble.Open("store", pebble.Options{
			FS: brokenCompactions{vfs.NewMem(), &broken, &failed}, Logger: quiet, MemTableBytes: 256 << 10, StallAfter: stallAfter,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		data := strings.Repeat("x", 100<<10)
		for range 100 { // some of it is compacted into a lower level
			if err := push(e, "a", data); err != nil {
				t.Fatal(err)
			}
		}
		broken.Store(true)
		for n := 0; err == nil; n++ {
			if n > 1000 {
				t.Fatal("nothing stalls")
			}
			err = push(e, fmt.Sprint("b", n%7), data)
		}
		if !errors.Is(err, engine.ErrStalled) {
			t.Fatal(err)
		}
		broken.Store(false)
		time.Sleep(45 * time.Second)
		if err := push(e, "a", data); err != nil || failed.Load() == 0 {
			t.Fatalf("after %d failed compactions: %v", failed.Load(), err)
		}
	})
}

// TestReplicaStalls: a replica does not give up a batch when the disk hangs: it could be
// applied twice then.
func TestReplicaStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		r, err := pebble.OpenReplica("store", 1, func(string) int { return 0 }, pebble.Options{
			FS: g.wrap(vfs.NewMem()), Logger: quiet, StallAfter: 5 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		apply := func(position uint64) error {
			_, err := r.Apply(t.Context(), &engine.Batch{
				Position: position, Time: 1, Changes: []engine.Change{{Entry: &engine.Entry{Channel: "c", ID: fmt.Sprint(position)}}},
			})
			return err
		}
		if err := apply(1); err != nil {
			t.Fatal(err)
		}
		g.set(true)
		done := make(chan error, 2)
		go func() { done <- r.Flush(t.Context()) }()
		synctest.Wait()
		go func() { done <- apply(2) }()
		time.Sleep(30 * time.Second)
		if len(done) > 0 {
			t.Error("given up")
		}
		if err := r.Ready(); !errors.Is(err, engine.ErrStalled) {
			t.Errorf("ready: %v", err)
		}
		g.set(false)
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
		page, err := r.Read(t.Context(), "c", 0, 10, 1000)
		if err != nil || len(page.Records) != 2 {
			t.Errorf("%+v, %v", page, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}
