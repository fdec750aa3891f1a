package pebble_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
)

// The measurements of a store agree with its files, and with what was stored.
func TestStoreStats(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before, ok := e.StoreStats()
	if !ok || before.DiskSize == 0 || before.DiskFree == 0 || before.DiskFree > before.DiskSize {
		t.Fatalf("the store is measured as %+v (%t)", before, ok)
	}
	const appends, size = 20, 200 << 10
	random := rand.NewChaCha8([32]byte{1}) // Pebble cannot compress it
	for range appends {
		data := make([]byte, size)
		random.Read(data) //nolint:errcheck // it returns none
		if _, err := e.Append(t.Context(), []engine.Entry{{Channel: "news", Data: data}}); err != nil {
			t.Fatal(err)
		}
	}
	after, _ := e.StoreStats()
	if n := after.Syncs.Count - before.Syncs.Count; n < appends || after.Syncs.Sum <= before.Syncs.Sum || after.LastSync <= 0 {
		t.Errorf("%d appends made %d syncs, which took %v s", appends, n, after.Syncs.Sum-before.Syncs.Sum)
	}
	if after.LogBytes < before.LogBytes+size || after.Bytes < after.LogBytes {
		t.Errorf("the store has %d bytes, %d of them in the log (%d before)", after.Bytes, after.LogBytes, before.LogBytes)
	}
	if files := sizeOf(t, dir); after.Bytes > files || after.Bytes < files*3/4 {
		t.Errorf("the store says %d bytes, its files have %d", after.Bytes, files)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if s, ok := e.StoreStats(); ok {
		t.Errorf("a closed store is measured as %+v", s)
	}
}

// sizeOf is the size of all files of a directory.
func sizeOf(t *testing.T, dir string) (n uint64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		n += uint64(info.Size())
	}
	return n
}
