package pebble_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/pebble"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("WIREPOST_CHILD_DIR"); dir != "" { // see kill_test.go
		fmt.Fprintln(os.Stderr, childMain(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m,
		// Pebble leaves it behind when it cannot open a store.
		goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestEngine(t *testing.T) {
	for name, o := range map[string]pebble.Options{
		"swept":    {SweepEvery: time.Millisecond},
		"unswept":  {SweepEvery: time.Hour},
		"uncached": {SweepEvery: time.Millisecond, Channels: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Logger, o.MemTableBytes, o.StallAfter = quiet, 256<<10, time.Hour
			enginetest.Run(t, func(t *testing.T, c *enginetest.Clock) engine.Engine {
				o := o
				o.FS, o.Now, o.Elapsed = vfs.NewMem(), c.Now, c.Elapsed
				e, err := pebble.Open("store", o)
				if err != nil {
					t.Fatal(err)
				}
				return &reopened{e, o}
			})
		})
	}
}

// TestSyncInterval: appends wait for the next sync that the interval allows.
func TestSyncInterval(t *testing.T) {
	t.Parallel()
	const interval, appends = 50 * time.Millisecond, 4
	e, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem(), Logger: quiet, SyncInterval: interval, MemTableBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	begun := time.Now()
	for range appends {
		if _, err := e.Append(t.Context(), []engine.Entry{{Channel: "c", ID: "x"}}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took < (appends-1)*interval {
		t.Errorf("%d appends took %s, with %s between two syncs", appends, took, interval)
	}
}

// reopened is an engine that can be opened again.
type reopened struct {
	*pebble.Engine
	options pebble.Options
}

func (r *reopened) Reopen() error {
	if err := r.Close(); err != nil {
		return err
	}
	e, err := pebble.Open("store", r.options)
	if err == nil {
		r.Engine = e
	}
	return err
}
