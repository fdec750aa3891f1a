package pebble

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/internal/clock"
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
	space      *disk.Space // the committer's
	background *disk.Background
	fault      *disk.Fault
	schedule   *disk.Schedule

	keeper  *directory.Keeper
	replica *replica // nil: the store decides about its changes itself

	maxQueued int // bytes that may wait for the committer

	syncInterval time.Duration // at most a second, because Close waits for it

	patience   *disk.Patience
	reclaimer  *reclaimer
	stallAfter time.Duration
	watchdog   *time.Timer   // runs overdue while a commit is under way
	stuck      chan struct{} // cap 1: gets a value again and again during a stall
	nudging    sync.Mutex    // held by nudge
	released   bool          // guarded by nudging

	// life is read-locked by every call, and locked by Close to wait for them.
	life struct {
		sync.RWMutex
		closed bool
	}

	// notifying is held by the committer from publishing a commit until its watchers have
	// been called, and by Unwatch to wait for that. It is locked before mu.
	notifying sync.Mutex

	mu struct {
		sync.Mutex
		channels table[channel]
		keys     table[format.Keyed]
		memos    table[format.Memo]
		watchers map[string]engine.Watcher // by channel

		queue    []*request
		queued   int           // bytes in the queue
		room     chan struct{} // closed when the queue has been taken; nil: no request waits
		commit   underway
		stopping bool
	}
	requests  sync.Pool
	work      *sync.Cond // on mu: the queue is not empty, or stopping
	committed chan struct{}

	stopSweeper chan struct{}
	swept       chan struct{}
	memoDay     uint32 // the sweeper's: the day for which it last forgot IDs
	clockSaved  int64  // the sweeper's: when it last stored the clock
}

var _ engine.Engine = (*Engine)(nil)

// unpackedShare is which part of the idle channels in memory, the most recently used ones,
// stay in slots: pinning one is a little cheaper than unpacking it.
const unpackedShare = 512

// channel is the state of a channel in memory.
type channel struct {
	head   format.Head // as committed; guarded by Engine.mu, written by the committer
	holes  *holes      // of the head's records; guarded by Engine.mu, written by the committer; nil: none
	staged *staged     // the committer's; nil: not touched by this commit

	// sweeping reports that the current commit removes expired records, and sweeps counts
	// such commits. Guarded by Engine.mu, written by the committer.
	sweeping bool
	sweeps   uint32
}

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
	select {
	case <-e.stuck: // of before
	default:
	}
	e.mu.Lock()
	e.mu.stopping = true
	e.work.Signal()
	e.mu.Unlock()
	select {
	case <-e.committed:
		return e.release()
	case <-e.stuck:
		// Pebble would wait for the stalled write. All successful writes are on the disk.
		// The directory stays locked until that write returns, or the process ends.
		go func() {
			<-e.committed
			e.release() //nolint:errcheck // no caller is left
		}()
		return fmt.Errorf("the store is left as it is: %w", engine.ErrStalled)
	}
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
	e.reclaimer.end()
	e.nudging.Lock()
	e.released = true
	e.nudging.Unlock()
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
