package disk

import "github.com/cockroachdb/pebble/v2/vfs"

// NewAhead returns a file system that keeps each log on fs a little longer than what Pebble
// has written to it: zeros follow. An append that overwrites them changes neither the size
// of the file nor its map of blocks, so fdatasync writes the data and does not wait for a
// commit of the file system's journal. Preallocation does not achieve that: blocks that were
// only allocated count as unwritten, and the first write to each changes the map.
//
// Readers of logs accept zeros at the end, as they accept what Pebble leaves there when it
// reuses a log. Reuse has the same effect on syncs, but not before the logs have the size
// of the memtables, and Pebble reuses no log of an earlier process.
func NewAhead(fs vfs.FS) vfs.FS { return logs{fs, goAhead} }

const (
	// aheadBytes is how far a log is extended at a time. The next sync has to write that
	// much and to commit the journal; a larger step makes this rarer, and slower.
	aheadBytes = 256 << 10
	pageSize   = 4 << 10
)

var zeros [aheadBytes]byte

// goAhead wraps a log on a disk. In memory there is nothing to gain.
func goAhead(f vfs.File) vfs.File {
	info, err := f.Stat()
	if f.Fd() == vfs.InvalidFd || err != nil {
		return f // zeros at an unknown offset could overwrite what a reused log holds
	}
	return &aheadFile{File: f, size: info.Size()}
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
