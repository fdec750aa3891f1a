package disk

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
)

// corruption records the damage found while the store is open. A read of a damaged
// block fails; everything else keeps working.
//
// A compaction that reads a damaged block is parked until the store is closed. If it
// failed instead, Pebble would restart it, endlessly if its input is in L0, and no
// other compaction of L0 would run until Pebble stalls all writes. While it is parked,
// its inputs count as being compacted: Pebble skips them and compacts the tables
// written after them.
type corruption struct {
	log     *slog.Logger
	words   Words
	parked  atomic.Int32
	changed chan<- struct{} // background's
	closed  chan struct{}   // closed by release

	mu    sync.Mutex
	files map[string]bool // damaged files by path; each has been logged
}

// Words holds the functions that format damage reports for people.
type Words struct {
	// Key formats a key of the store.
	Key func(key []byte) string
	// Advice returns the commands that inspect and repair a damaged store in dir.
	Advice func(dir string) string
}

// found is called by Pebble whenever a read meets a damaged block.
func (c *corruption) found(i pdb.DataCorruptionInfo) {
	c.mu.Lock()
	known := c.files[i.Path]
	if c.files == nil {
		c.files = make(map[string]bool)
	}
	c.files[i.Path] = true
	c.mu.Unlock()
	if !known {
		c.log.Error("a file of the store is damaged: reads of that part fail, everything else keeps working",
			"file", i.Path, "from", c.words.Key(i.Bounds.Start), "to", c.words.Key(i.Bounds.End.Key),
			"error", Plain(i.Details), "help", c.words.Advice(filepath.Dir(i.Path)))
	}
	if inCompaction() {
		c.park(i.Path)
	}
}

// park blocks until the store is closed. The compaction holds no Pebble lock.
func (c *corruption) park(path string) {
	select {
	case <-c.closed:
		return
	default:
	}
	c.parked.Add(1)
	signal(c.changed)
	defer c.parked.Add(-1)
	c.log.Warn("a compaction read a damaged file: its tables are not compacted until a restart", "file", path)
	<-c.closed
}

// release lets parked compactions fail.
func (c *corruption) release() { close(c.closed) }

// concurrency returns how many compactions Pebble may run. Parked compactions do not
// count, and while there are any the limit is one higher than usual: the part of L0
// that can only be merged within L0 grows, and new tables must not wait until all of
// it has been merged.
func (c *corruption) concurrency() (lower, upper int) {
	n := 1
	if parked := int(c.parked.Load()); parked > 0 {
		n = parked + 2
	}
	return n, n
}

// inCompaction reports whether the caller runs in a compaction. Pebble does not pass
// this on, so it is found on the stack.
func inCompaction() bool {
	const pebble = "github.com/cockroachdb/pebble/v2.(*DB)."
	callers := make([]uintptr, 256)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	compaction := false
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch f.Function {
		case pebble + "compactAndWrite":
			compaction = true
		case pebble + "flush1": // Pebble treats a flush as a compaction
			return false
		}
	}
	return compaction
}

// damage returns an error that names the files found damaged, or nil.
func (c *corruption) damage() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.files) == 0 {
		return nil
	}
	var names []string
	for path := range c.files {
		names = append(names, filepath.Base(path))
	}
	slices.Sort(names)
	return fmt.Errorf("%w: %s; `wirepost check` lists what is missing", engine.ErrDamaged, strings.Join(names, ", "))
}
