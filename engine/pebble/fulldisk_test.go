package pebble

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
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

// What is removed while space is short leaves the disk, although no write makes Pebble
// compact: neither few records, which are deleted one by one, nor many.
func TestRemovedRecordsLeaveTheDisk(t *testing.T) {
	t.Parallel()
	for _, messages := range []uint64{300, 2 * stage.RangeDelete} {
		t.Run(fmt.Sprint(messages), func(t *testing.T) {
			t.Parallel()
			volume := vfs.NewMem()
			enough := vfs.DiskUsage{AvailBytes: 500 << 20, TotalBytes: 1 << 30}
			volume.TestingSetDiskUsage(enough)
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

			volume.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 50 << 20, TotalBytes: 1 << 30})
			e.space = disk.NewSpace(volume, "store", 100<<20, e.background, e.log) // it has not asked yet
			e.committer.Space = e.space
			if err := e.Trim(t.Context(), "room", messages-10); err != nil {
				t.Fatal(err)
			}
			for after := before; after > before/5; after = tables(t, volume) {
				runtime.Gosched()
			}
		})
	}
}

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
