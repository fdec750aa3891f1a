// Package committer owns the goroutine that alone writes to a store. A request queues; the
// goroutine takes all that have queued, stages their changes (package stage), writes one
// batch, waits for one sync, publishes what is on the disk to the cache, calls the watchers,
// and completes the requests.
package committer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// Config is what a Committer works with.
type Config struct {
	DB         *pdb.DB
	Cache      *cache.Cache
	Space      *disk.Space // the committer's
	Background *disk.Background
	Fault      *disk.Fault
	Log        *slog.Logger
	Now        func() int64 // the time of a commit

	MaxQueued    int           // bytes that may wait; they also bound a commit
	SyncInterval time.Duration // the least time between two syncs; Close waits for it
	StallAfter   time.Duration // how long a commit may take
	// Replica means that the changes are those of a log. Requests wait for a commit however
	// long it takes, because a batch that was given up could be applied twice, and the data of
	// records belong to a larger batch.
	Replica bool
}

// Committer is the only writer of a store. Its goroutine takes what has queued, stages it,
// writes one batch and calls the watchers. All methods are safe for concurrent use.
type Committer struct {
	Config // static

	requests sync.Pool
	work     *sync.Cond // on the mutex of the cache: the queue is not empty, or stopping
	done     chan struct{}

	reclaimer *reclaimer
	watchdog  *time.Timer   // runs overdue while a commit is under way
	stuck     chan struct{} // cap 1: gets a value again and again during a stall
	nudging   sync.Mutex    // held by nudge
	released  bool          // guarded by nudging

	// notifying is held by the goroutine from publishing a commit until its watchers have
	// been called, and by Unwatch to wait for that. It is locked before the mutex of the
	// cache.
	notifying sync.Mutex

	// guarded by the mutex of the cache
	watchers map[string]engine.Watcher // by channel
	queue    queue
	current  underway
}

// Start starts a committer. End ends it, and then Release must be called.
func Start(c Config) *Committer {
	k := &Committer{
		Config: c, watchers: make(map[string]engine.Watcher), queue: queue{most: c.MaxQueued},
		work: sync.NewCond(c.Cache), done: make(chan struct{}), stuck: make(chan struct{}, 1),
		reclaimer: startReclaimer(c.DB, c.Log),
	}
	k.requests.New = newRequest
	k.watchdog = time.AfterFunc(time.Hour, k.overdue)
	k.watchdog.Stop()
	go k.run()
	return k
}

// End waits until everything that has queued is committed, or until it is found that a
// commit has stalled. It returns a channel that is closed when the goroutine has ended.
func (k *Committer) End() (done <-chan struct{}, stalled bool) {
	select {
	case <-k.stuck: // of before
	default:
	}
	k.Cache.Lock()
	k.queue.stopping = true
	k.work.Signal()
	k.Cache.Unlock()
	select {
	case <-k.done:
		return k.done, false
	case <-k.stuck:
		return k.done, true
	}
}

// Release ends what uses the database besides the goroutine.
func (k *Committer) Release() {
	k.reclaimer.end()
	k.nudging.Lock()
	k.released = true
	k.nudging.Unlock()
}

// Append stages entries, and returns when they are on the disk. It pins the slots that the
// entries need, and loads them here, so that the committer finds them in memory.
func (k *Committer) Append(ctx context.Context, entries []engine.Entry, results []engine.Result) error {
	rq := k.requests.Get().(*request)
	rq.entries, rq.results, rq.sync = entries, results, true
	if err := k.pinAndLock(ctx, rq); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return k.awaitLocked(ctx, rq)
}

// Apply runs a function that stages entries with their pins, in the order of the queue,
// also when space is short. What it stages is not made durable at once.
func (k *Committer) Apply(ctx context.Context, entries []engine.Entry, run func(c *stage.Changes, pins []cache.Pins) error) error {
	rq := k.requests.Get().(*request)
	rq.entries, rq.frees = entries, true
	rq.run = func(c *stage.Changes) error { return run(c, rq.pins) }
	if err := k.pinAndLock(ctx, rq); err != nil {
		return err
	}
	return k.awaitLocked(ctx, rq)
}

// pinAndLock pins and loads the slots that a request needs. Without an error it returns with
// the mutex of the cache held.
func (k *Committer) pinAndLock(ctx context.Context, rq *request) error {
	rq.makePins()
	k.Cache.Lock()
	if k.Cache.PinLocked(rq.entries, rq.pins) {
		return nil
	}
	k.Cache.Unlock()
	err := k.Cache.Load(ctx, rq.entries, rq.pins)
	k.Cache.Lock()
	if err != nil {
		k.Cache.UnpinLocked(rq.pins)
		k.Cache.Unlock()
		k.free(rq)
		return disk.Worded(err)
	}
	return nil
}

// Mode says how the committer treats what a function stages.
type Mode struct {
	Sync  bool // Do returns when it is on the disk
	Frees bool // it frees space, and so is written also when space is short
}

// Do lets the committer run a function and waits for it. If the function uses the slot of a
// channel, which the caller has pinned, the request pins it, too.
func (k *Committer) Do(ctx context.Context, m Mode, s *cache.Slot[cache.Channel], run func(*stage.Changes) error) error {
	rq := k.requests.Get().(*request)
	rq.run, rq.sync, rq.frees = run, m.Sync, m.Frees
	k.Cache.Lock()
	if s != nil {
		rq.one[0].Channel = k.Cache.Channels.PinLocked(s.Name)
		rq.pins = rq.one[:]
	}
	return k.awaitLocked(ctx, rq)
}

// awaitLocked queues a request and waits until it is complete. It is called with the mutex of
// the cache held, and unlocks it.
func (k *Committer) awaitLocked(ctx context.Context, rq *request) error {
	err := k.submitLocked(ctx, rq)
	if err != nil {
		k.Cache.UnpinLocked(rq.pins)
		k.Cache.Unlock()
		k.free(rq)
		return err
	}
	k.Cache.Unlock()
	if err := <-rq.done; err != nil {
		return err
	}
	err = rq.err
	k.free(rq)
	return err
}

func (k *Committer) free(rq *request) {
	*rq = request{done: rq.done}
	k.requests.Put(rq)
}
