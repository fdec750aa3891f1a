package disk

import (
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// apart is a file system that passes the operations on one directory, without those below
// it, to another file system.
type apart struct {
	vfs.FS
	other vfs.FS
	dir   string
}

// NewApart returns fs, except that the files in dir are neither watched nor synced: they
// are a copy that does not survive the process, and a failure to write them is not one of
// the store. They have hard links or fail: copying all tables instead would take the disk
// that a copy of the store takes.
func NewApart(fs, plain vfs.FS, dir string) vfs.FS {
	return apart{FS: fs, other: unsynced{plain}, dir: dir}
}

// of returns the file system of a file or directory.
func (a apart) of(name string) vfs.FS {
	if name == a.dir || a.PathDir(name) == a.dir {
		return a.other
	}
	return a.FS
}

func (a apart) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return a.of(name).Create(name, c)
}

func (a apart) Link(old, name string) error { return a.of(name).Link(old, name) }

func (a apart) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	return a.of(name).Open(name, options...)
}

func (a apart) OpenDir(name string) (vfs.File, error) { return a.of(name).OpenDir(name) }

func (a apart) Remove(name string) error { return a.of(name).Remove(name) }

func (a apart) RemoveAll(name string) error { return a.of(name).RemoveAll(name) }

func (a apart) Rename(old, name string) error { return a.of(name).Rename(old, name) }

func (a apart) MkdirAll(name string, perm fs.FileMode) error { return a.of(name).MkdirAll(name, perm) }

func (a apart) List(name string) ([]string, error) { return a.of(name).List(name) }

func (a apart) Stat(name string) (vfs.FileInfo, error) { return a.of(name).Stat(name) }

func (a apart) Unwrap() vfs.FS { return a.FS }

// unsynced is a file system whose syncs do nothing, and whose links fail where there are
// none.
type unsynced struct{ vfs.FS }

func (u unsynced) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := u.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

func (u unsynced) OpenDir(name string) (vfs.File, error) {
	f, err := u.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

// Link returns an error after which Pebble does not copy the file instead.
func (u unsynced) Link(old, name string) error {
	if err := u.FS.Link(old, name); err != nil {
		return fmt.Errorf("%w: the file cannot be linked: %w", fs.ErrPermission, err)
	}
	return nil
}

func (u unsynced) Unwrap() vfs.FS { return u.FS }

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error                { return nil }
func (unsyncedFile) SyncData() error            { return nil }
func (unsyncedFile) SyncTo(int64) (bool, error) { return false, nil }

// Fd hides the descriptor, with which Pebble would sync the file.
func (unsyncedFile) Fd() uintptr { return vfs.InvalidFd }
