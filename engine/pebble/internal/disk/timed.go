package disk

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"

	"github.com/wirepost/wirepost/internal/count"
)

// timed is a file system that measures how long the syncs of logs take.
type timed struct {
	vfs.FS
	syncs *count.Histogram
}

// NewTimed returns a file system that counts the time of each sync of a log on fs.
func NewTimed(fs vfs.FS, syncs *count.Histogram) vfs.FS { return timed{fs, syncs} }

func (t timed) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := t.FS.Create(name, c)
	return t.wrap(name, f, err)
}

func (t timed) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := t.FS.ReuseForWrite(old, name, c)
	return t.wrap(name, f, err)
}

func (t timed) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if _, _, isLog := wal.ParseLogFilename(t.PathBase(name)); err != nil || !isLog {
		return f, err
	}
	return timedFile{f, t.syncs}, nil
}

func (t timed) Unwrap() vfs.FS { return t.FS }

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
