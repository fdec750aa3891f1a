package disk

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
)

// Mebibytes rounds up.
func Mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }

// The disk is asked for its free space once in so many bytes or milliseconds, and
// before every commit while there is too little.
const (
	spaceBytes  = 1 << 20
	spaceMillis = 1000
)

// Space keeps writes off a disk that is nearly full, or that memtables cannot be
// flushed to: a failed write would stop the engine, a refused one stops nothing.
// Except for now, it belongs to the committer.
type Space struct {
	fs         vfs.FS
	dir        string
	reserve    uint64
	background *Background
	log        *slog.Logger

	asked   int64 // when
	written int   // since then
	short   error // what was found then; nil: enough
	none    bool  // and there is not even space for removals
	said    bool  // the log's last word is that writes are refused
	logged  seldom
}

func NewSpace(fs vfs.FS, dir string, reserve uint64, b *Background, log *slog.Logger) *Space {
	return &Space{fs: fs, dir: dir, reserve: reserve, background: b, log: log}
}

// Full says whether there was not even space for removals at the last check.
func (s *Space) Full() bool { return s.none }

// Check returns an error that wraps engine.ErrUnavailable when the space is short.
func (s *Space) Check(now int64, size int) error {
	if err := s.background.Refusal(); err != nil {
		_, s.none = s.ask()
		return err
	}
	s.written += size
	if s.short == nil && s.written < spaceBytes && now-s.asked < spaceMillis && now >= s.asked {
		return nil
	}
	short, none := s.ask()
	switch {
	case short != nil && !s.said && s.logged.due():
		s.said = true
		s.log.Error("writes are refused", "error", short)
	case short == nil && s.said:
		s.said = false
		s.log.Info("writes are taken again: there is space on the disk")
	}
	s.asked, s.written, s.short, s.none = now, 0, short, none
	return short
}

// Now asks the disk. It is safe for concurrent use.
func (s *Space) Now() error {
	short, _ := s.ask()
	return short
}

// ask asks the disk, also whether there is none left for the writes of removals: when
// somebody else has filled it, such a write would fail, and stop the engine for good.
func (s *Space) ask() (short error, none bool) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil || usage.AvailBytes >= s.reserve {
		return nil, false
	}
	return fmt.Errorf("%w: %s are free, %s are kept back", engine.ErrFull, Mebibytes(usage.AvailBytes), Mebibytes(s.reserve)),
		usage.AvailBytes < min(spaceBytes, s.reserve/2)
}

// seldom keeps what happens again and again from filling the log.
type seldom struct{ next atomic.Int64 }

// due says whether the last line was long enough ago for another.
func (s *seldom) due() bool {
	now, next := time.Now(), s.next.Load()
	return now.UnixNano() >= next && s.next.CompareAndSwap(next, now.Add(10*time.Second).UnixNano())
}
