package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Directories below that of the store. All files of a snapshot are directly in one of them.
const (
	// SnapshotName is a copy of the open store.
	SnapshotName = "SNAPSHOT"
	// IncomingName is a snapshot that is not complete yet.
	IncomingName = "SNAPSHOT.incoming"
	// A complete snapshot has this name as long as files of the old store may exist, and
	// then the other one, while its files are moved up.
	completeName = "SNAPSHOT.complete"
	movingName   = "SNAPSHOT.moving"
)

// The store is replaced within its directory, which may be the root of a volume and contain
// more than the store. Each step can be repeated, and the names of the two directories say
// which is next, so that after a crash Settle goes on:
//
//  1. the snapshot is written to SNAPSHOT.incoming, and synced,
//  2. that is renamed to SNAPSHOT.complete: from now on the snapshot is the store,
//  3. the files of the old store are removed, the mark first,
//  4. SNAPSHOT.complete is renamed to SNAPSHOT.moving,
//  5. its files are moved up, the mark last, and it is removed.

// storeFile matches the names of the files that a snapshot consists of.
var storeFile = regexp.MustCompile(`^(` + MarkName + `|ANCHOR-[12]|\d{6,20}\.(sst|log)|(MANIFEST|OPTIONS)-\d{6,20}|marker\.(manifest|format-version)\.\d{6,20}\.[-0-9A-Za-z]{1,40})$`)

// CheckSnapshotName returns an error unless a file of a snapshot may have a name. Such a
// name has no directory, and is none of those that a store uses for itself.
func CheckSnapshotName(name string) error {
	if !storeFile.MatchString(name) {
		return fmt.Errorf("%q is not a file of a snapshot", name)
	}
	return nil
}

// isOwn reports whether a file belongs to the store in its directory: it is one of a
// snapshot, an anchor, or a file that is not complete. The lock is none: it is held.
func isOwn(name string) bool {
	return storeFile.MatchString(name) || ownExtra.MatchString(name)
}

var ownExtra = regexp.MustCompile(`^(ANCHOR-LOG|` + outdatedName + `|(ANCHOR-(1|2|LOG)|` + MarkName + `|` + outdatedName + `)\.tmp|.*\.dbtmp)$`)

// Settle completes what a crash interrupted, and removes what it left. The directory is
// locked.
func Settle(vs vfs.FS, dir string) error {
	if err := finishReplace(vs, dir); err != nil {
		return fmt.Errorf("complete the installation of a snapshot: %w", err)
	}
	names, err := vs.List(dir)
	for _, name := range []string{SnapshotName, IncomingName} {
		if err == nil && slices.Contains(names, name) {
			err = vs.RemoveAll(vs.PathJoin(dir, name))
		}
	}
	return err
}

// Replace makes the complete snapshot in IncomingName the store. The directory is locked.
func Replace(vs vfs.FS, dir string) error {
	incoming := vs.PathJoin(dir, IncomingName)
	if err := syncDir(vs, incoming); err != nil {
		return err
	}
	if err := renameSynced(vs, dir, IncomingName, completeName); err != nil {
		return err
	}
	return finishReplace(vs, dir)
}

// Replacing reports whether a replacement was interrupted.
func Replacing(names []string) bool {
	return slices.Contains(names, completeName) || slices.Contains(names, movingName)
}

func finishReplace(vs vfs.FS, dir string) error {
	names, err := vs.List(dir)
	if err != nil || !Replacing(names) {
		return err
	}
	if slices.Contains(names, completeName) {
		if err := removeStore(vs, dir, names); err != nil {
			return err
		}
		if err := renameSynced(vs, dir, completeName, movingName); err != nil {
			return err
		}
	}
	return moveUp(vs, dir)
}

// removeStore removes the files of a store. Without mark and anchors it is not taken for a
// store, whatever is still there.
func removeStore(vs vfs.FS, dir string, names []string) error {
	first := func(name string) bool { return name == MarkName || slices.Contains(AnchorNames[:], name) }
	for _, marks := range []bool{true, false} {
		for _, name := range names {
			if !isOwn(name) || first(name) != marks {
				continue
			}
			if err := vs.Remove(vs.PathJoin(dir, name)); err != nil {
				return err
			}
		}
		if err := syncDir(vs, dir); err != nil {
			return err
		}
	}
	return nil
}

// moveUp moves the files of a snapshot into the directory.
func moveUp(vs vfs.FS, dir string) error {
	moving := vs.PathJoin(dir, movingName)
	names, err := vs.List(moving)
	if err != nil {
		return err
	}
	move := func(name string) error {
		return vs.Rename(vs.PathJoin(moving, name), vs.PathJoin(dir, name))
	}
	marked := false
	for _, name := range names {
		if name == MarkName {
			marked = true
		} else if err := move(name); err != nil {
			return err
		}
	}
	if err := syncDir(vs, dir); err != nil {
		return err
	}
	if marked {
		if err := move(MarkName); err != nil {
			return err
		}
	}
	// The files are known to be in the one directory before the other one is removed.
	if err := errors.Join(syncDir(vs, dir), syncDir(vs, moving)); err != nil {
		return err
	}
	if err := vs.RemoveAll(moving); err != nil {
		return err
	}
	return syncDir(vs, dir)
}

// outdatedName is a file that says why the store must be replaced by a snapshot.
const outdatedName = "OUTDATED"

// Outdate records that the store must be replaced, and why.
func Outdate(vs vfs.FS, dir, reason string) error {
	return CreateSynced(vs, dir, outdatedName, []byte(reason+"\n"))
}

// Outdated returns why the store must be replaced. An empty reason means that it need not
// be, or is being replaced.
func Outdated(vs vfs.FS, dir string) (reason string, err error) {
	names, err := vs.List(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil || Replacing(names):
		return "", err
	}
	text, err := ReadFile(vs, vs.PathJoin(dir, outdatedName), 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if reason = strings.TrimSpace(string(text)); reason == "" && err == nil {
		reason = "unknown"
	}
	return reason, err
}

// ForgetOutdated has the store used as it is.
func ForgetOutdated(vs vfs.FS, dir string) error {
	err := vs.Remove(vs.PathJoin(dir, outdatedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func renameSynced(vs vfs.FS, dir, old, name string) error {
	if err := vs.Rename(vs.PathJoin(dir, old), vs.PathJoin(dir, name)); err != nil {
		return err
	}
	return syncDir(vs, dir)
}

func syncDir(vs vfs.FS, dir string) error {
	d, err := vs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MakeSynced creates a directory that is still there after a crash.
func MakeSynced(vs vfs.FS, dir string) error {
	if _, err := vs.Stat(dir); err == nil {
		return nil
	}
	if err := vs.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return syncDir(vs, vs.PathDir(dir))
}
