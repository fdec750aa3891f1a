package disk

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
)

// Mebibytes formats a number of bytes, rounded up.
func Mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }

// Free space is checked after so many bytes or milliseconds, and before every commit
// while there is too little.
const (
	spaceBytes  = 1 << 20
	spaceMillis = 1000
)

// Space refuses writes while the disk is nearly full or memtables cannot be flushed to
// it: a failed write would stop the engine, a refused one does not. All methods but Now
// are for the committer only.
type Space struct {
	fs         vfs.FS
	dir        string
	reserve    uint64
	background *Background
	log        *slog.Logger

	asked   int64 // time of the last check
	written int   // bytes since then
	short   error // result of the last check; nil: enough space
	none    bool  // the last check found too little space even for removals
	said    bool  // the last line logged says that writes are refused
	logged  seldom
}

func NewSpace(fs vfs.FS, dir string, reserve uint64, b *Background, log *slog.Logger) *Space {
	return &Space{fs: fs, dir: dir, reserve: reserve, background: b, log: log}
}

// Full reports whether the last check found too little space even for removals.
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
		s.log.Info("writes are accepted again: the disk has free space")
	}
	s.asked, s.written, s.short, s.none = now, 0, short, none
	return short
}

// Now checks the disk. It is safe for concurrent use.
func (s *Space) Now() error {
	short, _ := s.ask()
	return short
}

// ask checks the free space of the disk. none reports that there is too little even for
// removals: if another program has filled the disk, writing one would fail and stop the
// engine for good.
func (s *Space) ask() (short error, none bool) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil || usage.AvailBytes >= s.reserve {
		return nil, false
	}
	return fmt.Errorf("%w: %s free, %s reserved", engine.ErrFull, Mebibytes(usage.AvailBytes), Mebibytes(s.reserve)),
		usage.AvailBytes < min(spaceBytes, s.reserve/2)
}

// seldom limits how often a repeated event is logged.
type seldom struct{ next atomic.Int64 }

// due reports whether enough time has passed since the last line for another.
func (s *seldom) due() bool {
	now, next := time.Now(), s.next.Load()
	return now.UnixNano() >= next && s.next.CompareAndSwap(next, now.Add(10*time.Second).UnixNano())
}
