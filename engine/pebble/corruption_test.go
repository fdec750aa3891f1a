package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
)

// A damaged block fails the reads that need it, and nothing else: not other reads, and
// not writes.
func TestDamagedBlock(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	fill(t, disk, 3000)
	name := largest(t, disk, ".sst")
	text := readAll(t, disk, name)
	text[len(text)/2] ^= 1
	overwrite(t, disk, name, string(text))

	var logged bytes.Buffer
	e, err := pebble.Open("store", pebble.Options{
		FS: disk, Logger: slog.New(slog.NewTextHandler(&logged, nil)), MemTableBytes: 256 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := e.Read("room", 1400, 1000, 1<<30)
		if !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), `read "room" after 1400`) {
			t.Fatalf("read of a damaged block: %v", err)
		}
	}
	if page, err := e.Read("room", 2000, 1000, 1<<30); err != nil || len(page.Records) != 1000 {
		t.Fatalf("%d records behind the damaged block, %v", len(page.Records), err)
	}
	for i := range 20 {
		for _, channel := range []string{"room", "another", "zoo"} {
			if err := push(e, channel, fmt.Sprint(i)); err != nil {
				t.Fatalf("push %d to %q: %v", i, channel, err)
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(logged.String(), "a file of the store is damaged"); n != 1 || !strings.Contains(logged.String(), name) {
		t.Errorf("the log says it %d times: %s", n, logged.String())
	}
}
