package disk

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/internal/count"
)

// NewTimed returns a file system that counts the time of each sync of a log on fs.
func NewTimed(fs vfs.FS, syncs *count.Histogram) vfs.FS {
	return logs{fs, func(f vfs.File) vfs.File { return timedFile{f, syncs} }}
}

// timedFile is an open log.
type timedFile struct {
	vfs.File
	syncs *count.Histogram
}

func (f timedFile) Sync() error {
	defer f.observe(time.Now())
	return f.File.Sync()
}

func (f timedFile) SyncData() error {
	defer f.observe(time.Now())
	return f.File.SyncData()
}

func (f timedFile) observe(began time.Time) { f.syncs.Observe(time.Since(began)) }
