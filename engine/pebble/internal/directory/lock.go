package directory

import (
	"errors"
	"fmt"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// LockDirectory takes the lock of a directory. The error says that the directory is
// in use only when it is.
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

// heldHere is the text of an error of package vfs, which has no type.
const heldHere = "lock held by current process"
