package disk

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// ahead is a file system that keeps each log a little longer than what Pebble has written
// to it: zeros follow. An append that overwrites them changes neither the size of the file
// nor its map of blocks, so fdatasync writes the data and does not wait for a commit of the
// file system's journal. Preallocation does not achieve that: blocks that were only
// allocated count as unwritten, and the first write to each changes the map.
//
// Readers of logs accept zeros at the end, as they accept what Pebble leaves there when it
// reuses a log. Reuse has the same effect on syncs, but not before the logs have the size
// of the memtables, and Pebble reuses no log of an earlier process.
type ahead struct{ vfs.FS }

// NewAhead returns a file system that writes zeros after the logs on fs.
func NewAhead(fs vfs.FS) vfs.FS { return ahead{fs} }

const (
	// aheadBytes is how far a log is extended at a time. The next sync has to write that
	// much and to commit the journal; a larger step makes this rarer, and slower.
	aheadBytes = 256 << 10
	pageSize   = 4 << 10
)

var zeros [aheadBytes]byte

func (a ahead) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := a.FS.Create(name, c)
	if err != nil || !a.covers(name, f) {
		return f, err
	}
	return &aheadFile{File: f}, nil
}

func (a ahead) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := a.FS.ReuseForWrite(old, name, c)
	if err != nil || !a.covers(name, f) {
		return f, err
	}
	info, err := f.Stat()
	if err != nil {
		return f, nil //nolint:nilerr // zeros at an unknown offset could overwrite the log
	}
	return &aheadFile{File: f, size: info.Size()}, nil
}

func (a ahead) Unwrap() vfs.FS { return a.FS }

// covers says whether a file is a log on a disk. In memory there is nothing to gain.
func (a ahead) covers(name string, f vfs.File) bool {
	_, _, isLog := wal.ParseLogFilename(a.PathBase(name))
	return isLog && f.Fd() != vfs.InvalidFd
}

// aheadFile is an open log. Pebble writes and syncs each in one goroutine.
type aheadFile struct {
	vfs.File
	written int64 // by Pebble
	size    int64 // of the file
	refused bool  // zeros could not be written
}

func (f *aheadFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.written += int64(n)
	if err == nil && f.written > f.size {
		f.extend()
	}
	return n, err
}

// extend writes zeros up to the end of a page. An error is not one of the log: without
// space for zeros there may be enough for the log, which then grows with each append.
func (f *aheadFile) extend() {
	f.size = f.written
	if f.refused {
		return
	}
	n, err := f.File.WriteAt(zeros[f.written%pageSize:], f.written)
	f.size += int64(n)
	f.refused = err != nil
}
