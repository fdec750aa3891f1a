package pebble

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/internal/clock"
	"github.com/wirepost/wirepost/internal/count"
)

// Engine is an engine.Engine on a Pebble store. All methods are safe for
// concurrent use. It runs three goroutines: the committer, which alone writes,
// the sweeper, which asks it to remove what has expired, and one that writes the
// anchor. Close ends them.
type Engine struct {
	// static after construction
	db         *pdb.DB
	lock       *pdb.Lock
	log        *slog.Logger
	clock      *clock.Clock
	epoch      string
	fs         vfs.FS
	dir        string
	space      *disk.Space // the committer's; others call Now
	background *disk.Background
	fault      *disk.Fault
	schedule   *disk.Schedule
	patience   *disk.Patience
	keeper     *directory.Keeper
	positions  *positions // nil: the store is no replica and decides about its changes itself
	cache      *cache.Cache
	committer  *committer.Committer
	syncs      count.Histogram // of the log
	copied     atomic.Bool     // there is an open snapshot

	// life is read-locked by every call, and locked by Close to wait for them.
	life struct {
		sync.RWMutex
		closed bool
	}

	stopSweeper chan struct{}
	swept       chan struct{}
	memoDay     uint32 // the sweeper's: the day for which it last forgot IDs
	clockSaved  int64  // the sweeper's: when it last stored the clock
}

var _ engine.Engine = (*Engine)(nil)

// Epoch implements engine.Engine.
func (e *Engine) Epoch() string { return e.epoch }

// enter begins a call, which leave ends. It returns the error of a context that is done.
func (e *Engine) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.life.RLock()
	if e.life.closed {
		e.life.RUnlock()
		return engine.ErrClosed
	}
	return nil
}

func (e *Engine) leave() { e.life.RUnlock() }

// Clock returns the clock by which the engine's records expire.
func (e *Engine) Clock() *clock.Clock { return e.clock }

func (e *Engine) nowMilli() int64 { return e.clock.Now().UnixMilli() }

// Close implements engine.Engine.
func (e *Engine) Close() error {
	e.life.Lock()
	if e.life.closed {
		e.life.Unlock()
		return engine.ErrClosed
	}
	e.life.closed = true
	e.life.Unlock()

	e.patience.End()
	close(e.stopSweeper)
	<-e.swept
	committed, stalled := e.committer.End()
	if !stalled {
		return e.release()
	}
	// Pebble would wait for the stalled write. All successful writes are on the disk. The
	// directory stays locked until that write returns, or the process ends.
	go func() {
		<-committed
		e.release() //nolint:errcheck // no caller is left
	}()
	return fmt.Errorf("the store is left as it is: %w", engine.ErrStalled)
}

// closeDB closes the database. Pebble waits for all compactions.
func (e *Engine) closeDB() error {
	e.background.Release()
	if e.patience.Opened.Load() {
		e.schedule.End()
	}
	return e.db.Close()
}

// release closes the store, as far as possible, and unlocks the directory.
func (e *Engine) release() (err error) {
	e.keeper.End()
	e.committer.Release()
	defer func() {
		if e := e.lock.Close(); err == nil {
			err = e
		}
	}()
	err = e.closeDB()
	e.keeper.CloseNote()
	if fault := e.fault.Get(); fault != nil {
		return fault
	}
	if err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	e.keeper.WriteAnchor() // all of the log is synced now, and its end is marked
	return nil
}

// timeOf is the time by which the records of a channel expire.
func (e *Engine) timeOf(channel string) int64 {
	if e.positions != nil {
		return e.positions.timeOf(channel)
	}
	return e.nowMilli()
}
