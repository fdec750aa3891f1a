package pebble

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine"
)

// A disk that something else has filled to the last byte fails every write, so nothing
// is written: not the time, and no removal. When there is space again, all goes on.
func TestDiskWithoutAByte(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 500 << 20, TotalBytes: 1 << 30})
	var full atomic.Bool
	failing := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
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
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 0, TotalBytes: 1 << 30})
	e.space.asked = 0 // as if it was asked a second ago
	if err := e.sweep(); err != nil && !errors.Is(err, engine.ErrFull) {
		t.Errorf("the sweeper: %v", err)
	}
	if err := e.Trim(t.Context(), "room", 1); !errors.Is(err, engine.ErrFull) {
		t.Errorf("trim: %v", err)
	}

	full.Store(false)
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 500 << 20, TotalBytes: 1 << 30})
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
