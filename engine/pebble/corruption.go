package pebble

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	pdb "github.com/cockroachdb/pebble/v2"
)

// corruption keeps what was found damaged while the store is open. A read of it fails,
// and everything else goes on.
type corruption struct {
	mu    sync.Mutex
	files map[string]bool // that were logged
}

// found is called by Pebble whenever something reads a damaged block.
func (c *corruption) found(log *slog.Logger, i pdb.DataCorruptionInfo) {
	c.mu.Lock()
	known := c.files[i.Path]
	if c.files == nil {
		c.files = make(map[string]bool)
	}
	c.files[i.Path] = true
	c.mu.Unlock()
	if known {
		return
	}
	log.Error("a file of the store is damaged: what needs that part of it fails, everything else goes on",
		"file", i.Path, "from", describeKey(i.Bounds.Start), "to", describeKey(i.Bounds.End.Key),
		"error", i.Details, "help", advice(filepath.Dir(i.Path)))
}

// worded says of an error that it comes from damage, if it does.
func worded(err error) error {
	if pdb.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
