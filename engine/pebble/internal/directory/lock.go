package directory

import (
	"errors"
	"fmt"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// LockDirectory locks a directory. Its error says "in use" only if another process holds
// the lock, and not if locking failed for another reason.
func LockDirectory(dir string, fs vfs.FS) (*pdb.Lock, error) {
	lock, err := pdb.LockDirectory(dir, fs)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, heldElsewhere), strings.Contains(err.Error(), heldHere):
		return nil, fmt.Errorf("in use by another process (%w)", err)
	}
	return nil, fmt.Errorf("lock the directory: %w", err)
}

// heldHere is the text of an untyped error of package vfs.
const heldHere = "lock held by current process"
