package pebble

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
)

// The disk is asked for its free space once in so many bytes or milliseconds, and
// before every commit while there is too little.
const (
	spaceBytes  = 1 << 20
	spaceMillis = 1000
)

// space keeps writes off a disk that is nearly full, or that memtables cannot be
// flushed to: a failed write would stop the engine, a refused one stops nothing.
// It belongs to the committer.
type space struct {
	fs         vfs.FS
	dir        string
	reserve    uint64
	background *background

	asked   int64 // when
	written int   // since then
	short   error // what was found then; nil: enough
}

// check answers an error that wraps engine.ErrUnavailable when the space is short.
func (s *space) check(now int64, size int) error {
	if err := s.background.flush.Load(); err != nil {
		return fmt.Errorf("%w: memtables cannot be flushed: %w", engine.ErrUnavailable, *err)
	}
	s.written += size
	if s.short == nil && s.written < spaceBytes && now-s.asked < spaceMillis && now >= s.asked {
		return nil
	}
	s.asked, s.written, s.short = now, 0, nil
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err == nil && usage.AvailBytes < s.reserve {
		s.short = fmt.Errorf("%w: %d MiB are free on the disk, %d are kept back",
			engine.ErrUnavailable, usage.AvailBytes>>20, s.reserve>>20)
	}
	return s.short
}
