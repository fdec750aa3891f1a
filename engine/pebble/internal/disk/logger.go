package disk

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
)

// logger passes Pebble's log to slog. Pebble calls Fatalf after a failure it cannot
// recover from, and continues if Fatalf returns, so Fatalf marks the engine as failed.
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

// Background records the outcome of Pebble's flushes and compactions. Pebble retries
// one that failed immediately and without limit.
type Background struct {
	log    *slog.Logger
	flush  atomic.Pointer[error] // error of the last flush; nil: it succeeded
	failed atomic.Bool           // whether the last flush or compaction failed
	logged seldom

	changed chan struct{} // cap 1: receives a value when the tables change

	corruption corruption
}

func NewBackground(log *slog.Logger, words Words) *Background {
	changed := make(chan struct{}, 1)
	return &Background{
		log: log, changed: changed,
		corruption: corruption{log: log, words: words, changed: changed, closed: make(chan struct{})},
	}
}

// Changes receives a value when the tables change or a compaction is parked.
func (b *Background) Changes() <-chan struct{} { return b.changed }

// Concurrency returns how many compactions Pebble may run.
func (b *Background) Concurrency() (lower, upper int) { return b.corruption.concurrency() }

// Parked reports whether a compaction that read a damaged block is parked.
func (b *Background) Parked() bool { return b.corruption.parked.Load() > 0 }

// Damage returns an error that names the files found damaged, or nil.
func (b *Background) Damage() error { return b.corruption.damage() }

// Release lets parked compactions fail. It is called before the store is closed, because
// closing waits for all compactions.
func (b *Background) Release() { b.corruption.release() }

// Refusal returns why writes must be refused because of a failed flush, or nil.
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

// emptyTable is the error of a flush that had nothing to write. It is not a failure,
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
		b.log.Error("pebble: a flush or compaction failed and is retried", "error", Plain(err))
	}
}
