package disk

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
)

// logger hands Pebble's log to slog. Pebble calls Fatalf after a failure that it
// cannot go on from, and does go on when that returns: so Fatalf marks the engine
// as failed.
type logger struct {
	log   *slog.Logger
	fault *Fault
}

func NewLogger(log *slog.Logger, f *Fault) pdb.Logger { return logger{log, f} }

func (l logger) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	l.fault.Set(fmt.Errorf(format, args...))
}

// Background is what Pebble tells of its flushes and compactions. It tries one
// that failed again and again, at once.
type Background struct {
	log    *slog.Logger
	flush  atomic.Pointer[error] // of the last flush; nil: it went well
	failed atomic.Bool           // the last flush or compaction
	logged seldom

	changed chan struct{} // cap 1: gets a value when the tables have changed

	corruption corruption
}

func NewBackground(log *slog.Logger, words Words) *Background {
	changed := make(chan struct{}, 1)
	return &Background{
		log: log, changed: changed,
		corruption: corruption{log: log, words: words, changed: changed, closed: make(chan struct{})},
	}
}

// Changes gets a value when the tables have changed, or a compaction was parked.
func (b *Background) Changes() <-chan struct{} { return b.changed }

// Concurrency is how many compactions Pebble may run.
func (b *Background) Concurrency() (lower, upper int) { return b.corruption.concurrency() }

// Parked says whether a compaction that met damage is parked.
func (b *Background) Parked() bool { return b.corruption.parked.Load() > 0 }

// Damage is an error that names the files that were found damaged; nil: none were.
func (b *Background) Damage() error { return b.corruption.damage() }

// Release ends what is parked. It is called before the store is closed, which waits for
// all compactions.
func (b *Background) Release() { b.corruption.release() }

// Refusal is why no write can be taken, as far as it is known here; nil: one can.
func (b *Background) Refusal() error {
	err := b.flush.Load()
	if err == nil {
		return nil
	}
	why := engine.ErrStalled
	if noSpace(*err) {
		why = engine.ErrFull
	}
	return fmt.Errorf("%w: memtables cannot be flushed: %w", why, *err)
}

// emptyTable is the error of a flush that had nothing to write. It is no failure,
// and Pebble does not export it.
const emptyTable = "pebble: empty table"

func (b *Background) Listener() *pdb.EventListener {
	return &pdb.EventListener{
		BackgroundError: b.failure,
		DataCorruption:  b.corruption.found,
		FlushEnd: func(i pdb.FlushInfo) {
			if i.Err == nil || i.Err.Error() == emptyTable {
				b.flush.Store(nil)
				b.failed.Store(false)
			} else {
				b.flush.Store(&i.Err)
			}
			signal(b.changed)
		},
		CompactionEnd: func(i pdb.CompactionInfo) {
			if i.Err == nil {
				b.failed.Store(false)
			}
			signal(b.changed)
		},
		DiskSlow: func(i pdb.DiskSlowInfo) { b.log.Warn("pebble: the disk is slow", "info", i.String()) },
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (b *Background) failure(err error) {
	b.failed.Store(true)
	if pdb.ExtractDataCorruptionInfo(err) != nil {
		return // corruption.found has logged it
	}
	if b.logged.due() {
		b.log.Error("pebble: a flush or compaction failed and is tried again", "error", Plain(err))
	}
}
