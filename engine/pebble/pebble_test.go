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
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func TestEngine(t *testing.T) {
	enginetest.Run(t, func(t *testing.T, now func() time.Time) engine.Engine {
		e, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem(), Now: now, Logger: quiet, MemTableBytes: 1 << 20, SweepEvery: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}
