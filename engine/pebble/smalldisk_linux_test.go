package pebble_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/pebble"
)

// A real disk fills up while messages come in, and gets space again.
func TestSmallDisk(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", mount).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		// Lazily: a process that another test is about to start may have files of it open.
		if out, err := exec.Command("umount", "-l", mount).CombinedOutput(); err != nil {
			t.Errorf("unmount: %v: %s", err, out)
		}
	})
	filler := filepath.Join(mount, "filler")
	if err := os.WriteFile(filler, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}

	c := enginetest.NewClock()
	options := pebble.Options{Logger: quiet, Now: c.Now, MemTableBytes: 1 << 20, MinFree: 16 << 20, StallAfter: time.Hour}
	dir := filepath.Join(mount, "store")
	e, err := pebble.Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 64<<10)           // what compresses well takes for ever to fill a disk
	rand.NewChaCha8([32]byte{}).Read(noise) //nolint:errcheck // it never fails
	data := string(noise)
	full := func() (n int) {
		t.Helper()
		for ; err == nil; n++ {
			err = push(e, "a", data)
		}
		if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "free on the disk") {
			t.Fatal(err)
		}
		return n - 1
	}
	pushed := full()
	if l := stored(t, e, "a"); pushed == 0 || l.count != pushed {
		t.Fatalf("%d pushed, %d stored", pushed, l.count)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	c.Advance(time.Second)
	again := func(what string, write func() error) {
		t.Helper()
		deadline := time.Now().Add(pebble.Patience)
		for err = write(); err != nil; err = write() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", what, err)
			}
			runtime.Gosched()
		}
	}
	pushOne := func() error { return push(e, "a", data) }
	again("with space again", pushOne) // at once, unless a compaction took the reserve
	pushed += 1 + full()

	// What is removed leaves the disk, though no write fills the memtable. A compaction
	// may take the reserve for a moment, and then not even a removal is written.
	again("trim", func() error { return e.Trim(t.Context(), "a", uint64(pushed)-10) })
	again("with space after a trim", pushOne)
	pushed = 10 + 1 + full()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err = pebble.Open(dir, options); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if l := stored(t, e, "a"); l.count != pushed {
		t.Fatalf("%d pushed, %d stored", pushed, l.count)
	}
}
