package pebble

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// A disk that something else has filled to the last byte fails every write, so nothing
// is written: not the time, and no removal. When there is space again, all goes on.
func TestDiskWithoutAByte(t *testing.T) {
	t.Parallel()
	volume := vfs.NewMem()
	volume.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 500 << 20, TotalBytes: 1 << 30})
	var full atomic.Bool
	failing := errorfs.Wrap(volume, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	}))
	e, err := Open("store", Options{FS: failing, MinFree: 100 << 20, SweepEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	appendOne := func() error {
		_, err := e.Append(context.Background(), []engine.Entry{{Channel: "room", ID: "id", Data: []byte("x")}})
		return err
	}
	if err := appendOne(); err != nil {
		t.Fatal(err)
	}

	full.Store(true)
	volume.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 0, TotalBytes: 1 << 30})
	e.space = disk.NewSpace(failing, "store", 100<<20, e.background, e.log) // it has not asked yet
	e.committer.Space = e.space
	if err := e.sweep(); err != nil && !errors.Is(err, engine.ErrFull) {
		t.Errorf("the sweeper: %v", err)
	}
	if err := e.Trim(t.Context(), "room", 1); !errors.Is(err, engine.ErrFull) {
		t.Errorf("trim: %v", err)
	}

	full.Store(false)
	volume.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 500 << 20, TotalBytes: 1 << 30})
	if err := e.sweep(); err != nil {
		t.Error(err)
	}
	if err := e.Trim(t.Context(), "room", 1); err != nil {
		t.Error(err)
	}
	if err := appendOne(); err != nil {
		t.Error(err)
	}
}

// While space is short, removed records leave the disk, although no write makes Pebble
// compact: neither few records, which are deleted one by one, nor many; when they were
// removed before space was short; and when the disk has no space for the first compaction.
func TestRemovedRecordsLeaveTheDisk(t *testing.T) {
	t.Parallel()
	const few, many = 300, 2 * stage.RangeDelete
	t.Run("few", func(t *testing.T) { removedLeave(t, few, false, 0) })
	t.Run("many", func(t *testing.T) { removedLeave(t, many, false, 0) })
	t.Run("few, before space is short", func(t *testing.T) { removedLeave(t, few, true, 0) })
	t.Run("many, before space is short", func(t *testing.T) { removedLeave(t, many, true, 0) })
	t.Run("no space to compact", func(t *testing.T) { removedLeave(t, few, false, 1) })
}

func removedLeave(t *testing.T, messages uint64, early bool, failures int64) {
	t.Parallel()
	volume := &tightDisk{MemFS: vfs.NewMem()}
	free := func(mib uint64) {
		volume.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: mib << 20, TotalBytes: 1 << 30})
	}
	free(500)
	e, err := Open("store", Options{FS: volume, MinFree: 100 << 20, SweepEvery: time.Hour, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	data := make([]byte, 10<<10)
	rand.NewChaCha8([32]byte{}).Read(data) //nolint:errcheck // it never fails
	batch := make([]engine.Entry, messages)
	for i := range batch {
		batch[i] = engine.Entry{Channel: "room", ID: fmt.Sprint(i), Data: data[i:]}
	}
	if _, err := e.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := e.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	before := tables(t, volume)

	trim := func() {
		if err := e.Trim(t.Context(), "room", messages-10); err != nil {
			t.Fatal(err)
		}
	}
	if early {
		trim()
	}
	free(50)
	volume.failures.Store(failures)
	e.space = disk.NewSpace(volume, "store", 100<<20, e.background, e.log) // it has not asked yet
	e.committer.Space = e.space
	if !early {
		trim()
	}
	if _, err := e.Append(t.Context(), batch[:1]); !errors.Is(err, engine.ErrFull) {
		t.Fatalf("append: %v", err)
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(Patience); tables(t, volume) > before/5; <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("the tables had %d bytes, and have %d", before, tables(t, volume))
		}
	}
	if left := volume.failures.Load(); left > 0 {
		t.Fatalf("%d of %d compactions failed", failures-left, failures)
	}
}

// tightDisk has no space for the tables of the next compactions.
type tightDisk struct {
	*vfs.MemFS
	failures atomic.Int64
}

// Create implements vfs.FS.
func (d *tightDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.MemFS.Create(name, c)
	if err == nil && c == "pebble-compaction" && d.failures.Add(-1) >= 0 {
		return fullFile{f}, nil
	}
	return f, err
}

type fullFile struct{ vfs.File }

func (fullFile) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// tables is the size of all tables.
func tables(t *testing.T, disk vfs.FS) (size int64) {
	t.Helper()
	for _, name := range list(t, disk) {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		if info, err := disk.Stat("store/" + name); err == nil { // else it was removed just now
			size += info.Size()
		}
	}
	return size
}
