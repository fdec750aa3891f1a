package disk

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// logs is a file system whose logs are wrapped.
type logs struct {
	vfs.FS
	wrap func(vfs.File) vfs.File
}

func (l logs) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.Create(name, c)
	return l.opened(name, f, err)
}

func (l logs) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.ReuseForWrite(old, name, c)
	return l.opened(name, f, err)
}

func (l logs) opened(name string, f vfs.File, err error) (vfs.File, error) {
	if _, _, isLog := wal.ParseLogFilename(l.PathBase(name)); err != nil || !isLog {
		return f, err
	}
	return l.wrap(f), nil
}

func (l logs) Unwrap() vfs.FS { return l.FS }
