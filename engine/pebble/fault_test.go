package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/pebble"
)

var errDisk = errors.New("the disk is broken")

// push appends one message and answers the error.
func push(e engine.Engine, channel, data string) error {
	_, err := e.Append(context.Background(), []engine.Entry{{Channel: channel, ID: data, Data: []byte(data)}})
	return err
}

// A disk that is nearly full: writes are refused until there is space, what makes
// space is not, and reads go on.
func TestDiskFull(t *testing.T) {
	fs := vfs.NewMem()
	free := func(mib uint64) { fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: mib << 20, TotalBytes: 1 << 30}) }
	free(500)
	c := enginetest.NewClock()
	e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet, Now: c.Now, MinFree: 100 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for i := range 3 {
		if err := push(e, "a", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	free(99)
	c.Advance(time.Second)
	for range 2 {
		if err := push(e, "a", "x"); !errors.Is(err, engine.ErrUnavailable) {
			t.Fatalf("append on a full disk: %v", err)
		}
		if err := e.Ready(); !errors.Is(err, engine.ErrFull) {
			t.Fatalf("ready on a full disk: %v", err)
		}
	}
	if err := e.Save(t.Context(), []engine.Update{{User: "u"}}, false); !errors.Is(err, engine.ErrUnavailable) {
		t.Fatalf("save on a full disk: %v", err)
	}
	if err := e.Trim(t.Context(), "a", 1); err != nil {
		t.Fatal(err)
	}
	if l := stored(t, e, "a"); l.count != 2 || l.bounds.Head != 3 {
		t.Fatalf("%d messages, bounds %+v", l.count, l.bounds)
	}
	free(100)
	if err := e.Ready(); err != nil {
		t.Fatalf("ready with space again: %v", err)
	}
	if err := push(e, "a", "y"); err != nil {
		t.Fatalf("append with space again: %v", err)
	}
	if l := stored(t, e, "a"); l.count != 3 || l.bounds.Head != 4 {
		t.Fatalf("%d messages, bounds %+v", l.count, l.bounds)
	}
}

// A disk that fails under the log or the manifest: nothing is acknowledged from
// then on, what was before can be read, and is there after a restart.
func TestDiskFails(t *testing.T) {
	for name, hit := range map[string]func(errorfs.Op) bool{
		"write": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log")
		},
		"sync": func(op errorfs.Op) bool {
			sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
			return sync && strings.HasSuffix(op.Path, ".log")
		},
		"rotate": func(op errorfs.Op) bool {
			return (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite) && strings.HasSuffix(op.Path, ".log")
		},
		"manifest": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST")
		},
		"all": func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite },
	} {
		t.Run(name, func(t *testing.T) { diskFails(t, hit) })
	}
}

// failing is a disk on which operations fail once it is broken.
func failing(disk vfs.FS, broken *atomic.Bool, hit func(errorfs.Op) bool) vfs.FS {
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && hit(op) {
			return errDisk
		}
		return nil
	}))
}

func diskFails(t *testing.T, hit func(errorfs.Op) bool) {
	var broken atomic.Bool
	disk := vfs.NewMem()
	var logged bytes.Buffer
	e, err := pebble.Open("store", pebble.Options{
		FS: failing(disk, &broken, hit), Logger: slog.New(slog.NewTextHandler(&logged, nil)), MemTableBytes: 256 << 10,
		StallAfter: time.Hour, // a slow machine is not a stalled disk
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var acks []ack
	pushAll(e, 0, 8, nil, func(a ack) {
		mu.Lock()
		defer mu.Unlock()
		acks = append(acks, a)
		broken.Store(len(acks) >= 500)
	})
	for range 3 {
		if err := push(e, "plain", "x"); !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, errDisk) {
			t.Fatalf("append on a broken disk: %v", err)
		}
	}
	if err := e.Save(t.Context(), []engine.Update{{User: "u"}}, false); !errors.Is(err, engine.ErrUnavailable) {
		t.Fatalf("save on a broken disk: %v", err)
	}
	if err := e.Ready(); !errors.Is(err, engine.ErrFailed) {
		t.Fatalf("ready on a broken disk: %v", err)
	}
	if got, want := stored(t, e, "plain").bounds.Head, lastSeq(acks, "plain"); got != want {
		t.Fatalf("the head is %d, %d was acknowledged last", got, want)
	}
	if err := e.Close(); !errors.Is(err, engine.ErrFailed) {
		t.Fatalf("close after a failed write: %v", err)
	}
	if n := strings.Count(logged.String(), "writes are refused"); n != 1 {
		t.Fatalf("the log says %s", logged.String())
	}
	if e, err = pebble.Open("store", pebble.Options{FS: disk, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	verify(t, e, acks)
}

// The failure of a write without sync is noticed by the next write.
func TestUnsyncedWriteFails(t *testing.T) {
	var broken atomic.Bool
	fs := failing(vfs.NewMem(), &broken, func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log")
	})
	e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := push(e, "a", "x"); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	for err = nil; err == nil; { // a block of the log is written when it is full
		err = e.Save(t.Context(), []engine.Update{{User: strings.Repeat("u", 10<<10), Devices: []engine.Device{{}}}}, false)
	}
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Fatal(err)
	}
	if err := push(e, "a", "y"); !errors.Is(err, engine.ErrUnavailable) {
		t.Fatal(err)
	}
	if l := stored(t, e, "a"); l.count != 1 {
		t.Fatalf("%d messages", l.count)
	}
	if err := e.Close(); !errors.Is(err, engine.ErrFailed) {
		t.Fatalf("close after a failed write: %v", err)
	}
}

// A disk that takes the log but no tables: writes are refused before memtables
// pile up, and taken again when a flush went well.
func TestFlushFails(t *testing.T) {
	var broken atomic.Bool
	failed := make(chan struct{})
	var once sync.Once
	fs := failing(vfs.NewMem(), &broken, func(op errorfs.Op) bool {
		flush := op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst")
		if flush {
			once.Do(func() { close(failed) })
		}
		return flush
	})
	e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet, MemTableBytes: 256 << 10, StallAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	broken.Store(true)
	data := strings.Repeat("x", 10<<10)
	// One memtable is full. As long as its failure is not known, more of them would be
	// written, and Pebble waits when there are four.
	for n := 0; n < 300<<10 && err == nil; n += len(data) {
		err = push(e, "a", data)
	}
	<-failed
	for deadline := time.Now().Add(pebble.Patience); err == nil && time.Now().Before(deadline); {
		err = push(e, "a", "small")
	}
	if !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	before := stored(t, e, "a")
	broken.Store(false)
	for deadline := time.Now().Add(pebble.Patience); err != nil; err = push(e, "a", data) { // a flush that works comes soon
		if runtime.Gosched(); time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if after := stored(t, e, "a"); after.count != before.count+1 {
		t.Fatalf("%d messages, then %d", before.count, after.count)
	}
}

func lastSeq(acks []ack, channel string) (seq uint64) {
	for _, a := range acks {
		if a.channel == channel {
			seq = max(seq, a.seq)
		}
	}
	return seq
}

func TestOpenRefuses(t *testing.T) {
	open := func(fs vfs.FS) error {
		e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet})
		if err == nil {
			err = e.Close()
		}
		return err
	}
	damage := func(t *testing.T, fs vfs.FS, part string) {
		t.Helper()
		names, err := fs.List("store")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.Contains(name, part) {
				overwrite(t, fs, name, "no such thing")
			}
		}
	}
	for _, test := range []struct {
		name    string
		store   bool // there is a store already
		prepare func(t *testing.T, fs vfs.FS)
		want    string
	}{
		{"foreign", false, func(t *testing.T, fs vfs.FS) { overwrite(t, fs, "notes.txt", "x") }, "not empty (notes.txt) and is not a wirepost store"},
		{"volume", false, func(t *testing.T, fs vfs.FS) { overwrite(t, fs, "lost+found", "") }, ""},
		{"fine", true, func(*testing.T, vfs.FS) {}, ""},
		{"format", true, func(t *testing.T, fs vfs.FS) { overwrite(t, fs, "WIREPOST", "wirepost store, format 9, epoch A\n") }, "format 9, this program knows format 4"},
		{"mark", true, func(t *testing.T, fs vfs.FS) { damage(t, fs, "WIREPOST"); damage(t, fs, "ANCHOR") }, "neither copy of the anchor can be read"},
		{"manifest", true, func(t *testing.T, fs vfs.FS) { damage(t, fs, "MANIFEST") }, "damaged"},
		{"tables", true, func(t *testing.T, fs vfs.FS) { damage(t, fs, ".sst") }, "has 13 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			fs := vfs.NewMem()
			if err := fs.MkdirAll("store", 0o755); err != nil {
				t.Fatal(err)
			}
			if test.store {
				makeStore(t, fs)
			}
			test.prepare(t, fs)
			err := open(fs)
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "store store")):
				t.Fatalf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// A store of an earlier format is read, and is one of the present format then.
func TestOpenEarlierFormat(t *testing.T) {
	for format := 1; format < 4; format++ {
		t.Run(fmt.Sprint(format), func(t *testing.T) {
			t.Parallel()
			openEarlierFormat(t, format)
		})
	}
}

func openEarlierFormat(t *testing.T, format int) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("store", 0o755); err != nil {
		t.Fatal(err)
	}
	makeStore(t, fs)
	for _, name := range []string{"store/ANCHOR-1", "store/ANCHOR-2"} { // there were none
		if err := fs.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	overwrite(t, fs, "WIREPOST", fmt.Sprintf("wirepost store, format %d, epoch A\n", format))
	e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Bounds(t.Context(), "a")
	if err != nil || b.Head != 2 || e.Epoch() != "A" {
		t.Errorf("%+v, %v, epoch %q; want two messages and epoch A", b, err, e.Epoch())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Open("store/WIREPOST")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err := io.ReadAll(f); err != nil || string(text) != "wirepost store, format 4, epoch A\n" {
		t.Errorf("the mark says %q, %v", text, err)
	}
}

// overwrite makes a file of the store anew.
func overwrite(t *testing.T, fs vfs.FS, name, text string) {
	t.Helper()
	f, err := fs.Create("store/"+name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// makeStore makes a store that has tables and a log.
func makeStore(t *testing.T, fs vfs.FS) {
	t.Helper()
	for range 2 {
		e, err := pebble.Open("store", pebble.Options{FS: fs, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if err := push(e, "a", "x"); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	e, err := pebble.Open(dir, pebble.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pebble.Open(dir, pebble.Options{Logger: quiet}); err == nil ||
		!strings.Contains(err.Error(), "in use by another process") || !strings.Contains(err.Error(), dir) {
		t.Fatalf("second open: %v", err)
	}
	epoch := e.Epoch()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e, err = pebble.Open(dir, pebble.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Epoch() != epoch {
		t.Fatalf("epoch %q, before %q", e.Epoch(), epoch)
	}
	if _, err := os.Stat(dir + "/WIREPOST"); err != nil {
		t.Fatal(err)
	}
}
