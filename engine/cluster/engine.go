package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/apply"
	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
	"github.com/wirepost/wirepost/engine/cluster/internal/snapshot"
	"github.com/wirepost/wirepost/internal/count"
)

// Engine is an engine.Engine of one node. All methods are safe for concurrent use. What
// reads is answered by the replica of this node.
type Engine struct {
	engine.Replica

	// Static.
	o       Options
	run     string // names this run of the node
	started time.Time
	epoch   string // of the cluster
	shards  []*shard
	memory  *memoryEngine
	ctx     context.Context // ends with Close
	stop    context.CancelCauseFunc
	running sync.WaitGroup

	watchUsers  atomic.Pointer[func([]engine.Update, bool)]
	connections atomic.Pointer[func() int]
	draining    atomic.Bool

	nodes     nodes.Others
	announcer *nodes.Announcer
	snapshots snapshot.Server // zero: the replica has none
	applyTime count.Histogram // of each batch
	flusher   flusher
	isolation isolation
	resumed   chan struct{} // cap 1: the log takes proposals again

	refusal atomic.Pointer[error] // why the replica takes no more

	repairing atomic.Bool // Repair runs
	ending    atomic.Bool // a shard has stopped for good

	halting sync.Once
	halted  chan struct{} // closed when this node has to end

	// life is read-locked by every change, and locked by Close to wait for them.
	life struct {
		sync.RWMutex
		closed bool
	}
}

var _ engine.Shared = (*Engine)(nil)

// lookEvery is the time between two looks at whether the log and the replica take changes.
const lookEvery = 500 * time.Millisecond

// Open starts a node. It waits for the log until it knows the epoch of the cluster, or ctx
// is done. It returns before the replica has caught up with the log: Ready says when it
// has.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o.complete()
	epoch, err := o.found(ctx)
	if err != nil {
		return nil, fmt.Errorf("join cluster %q: %w", o.Name, err)
	}
	e := &Engine{
		Replica: o.Replica, o: o, run: rand.Text(), started: time.Now(), epoch: epoch,
		flusher: flusher{replica: o.Replica, every: o.FlushEvery, logger: o.Logger, full: make(chan struct{}, 1)},
		resumed: make(chan struct{}, 1), halted: make(chan struct{}),
	}
	e.announcer = nodes.NewAnnouncer(o.Bus, o.Logger, e.self)
	if err := e.divide(); err != nil {
		return nil, err
	}
	e.isolation = isolation{
		node: o.Node, durable: e.shards, all: e.all(), nodes: &e.nodes, bus: o.Bus != nil,
		patience: o.Patience, after: o.Isolation, logger: o.Logger, changed: e.announcer.Changed,
	}
	e.ctx, e.stop = context.WithCancelCause(context.Background())
	if err := e.join(ctx); err != nil {
		e.stop(engine.ErrClosed)
		return nil, errors.Join(err, e.memory.Replica.Close())
	}
	e.start()
	return e, nil
}

// divide makes the shards.
func (e *Engine) divide() error {
	o := &e.o
	follow := apply.Options{
		Node: o.Node, Cluster: o.Name, Shards: o.Shards, Epoch: e.epoch, Level: o.level, Log: o.Log, Logger: o.Logger, Replica: o.Replica,
		Hooks: apply.Hooks{Users: e.notifyUsers, Count: e.count, Changed: e.announcer.Changed, Stopped: e.outdate},
	}
	for i := range o.Shards {
		follow.Shard = i
		s, err := newShard(follow, propose.Options{Patience: o.Patience, TickEvery: o.TickEvery, Resumed: e.resume}, o.FlushEvery)
		if err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
		e.shards = append(e.shards, s)
	}
	follow.Shard, follow.Stopped = o.Shards, e.halt
	var err error
	e.memory, err = newMemory(e, follow)
	return err
}

// join listens to the announcements of other nodes, announces this one, and serves its
// snapshots.
func (e *Engine) join(ctx context.Context) error {
	if e.o.Bus == nil {
		return nil
	}
	disclaim, err := e.announcer.Claim(ctx, e.o.Node)
	if err != nil {
		return err
	}
	stop, err := e.announcer.Listen(e.heard)
	if err != nil {
		disclaim()
		return fmt.Errorf("listen to the other nodes: %w", err)
	}
	stopSnapshots, err := e.serveSnapshots()
	if err != nil {
		stop()
		disclaim()
		return fmt.Errorf("serve snapshots: %w", err)
	}
	e.running.Go(func() {
		defer disclaim()
		defer stop()
		defer stopSnapshots()
		e.announcer.Run(e.ctx)
		last := e.self()
		last.State, last.Reason = engine.NodeStopped, "it was shut down"
		e.announcer.Announce(e.ctx, &last)
	})
	return nil
}

// start starts what runs until Close.
func (e *Engine) start() {
	for _, s := range e.all() {
		e.running.Go(func() { s.follower.Run(e.ctx) })
		e.running.Go(func() { s.proposer.Run(e.ctx) })
	}
	e.admit()
	e.running.Go(func() {
		for e.untilLook() {
			e.isolation.look(time.Now())
			e.admit()
			e.maybeHalt()
		}
	})
	e.running.Go(func() {
		for pause.For(e.ctx, apply.SuspectAfter) == nil {
			for _, s := range e.shards {
				s.follower.Suspect(e.ctx)
			}
		}
	})
	e.running.Go(func() { e.flusher.run(e.ctx, e.shards) })
	trimmer := trimmer{log: e.o.Log, keep: e.o.Keep, every: trimEvery * e.o.FlushEvery, logger: e.o.Logger}
	e.running.Go(func() { trimmer.run(e.ctx, e.shards) })
}

// untilLook waits until it is time to look at the log and the replica again. It returns
// false when the engine is closed.
func (e *Engine) untilLook() bool {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.resumed:
	case <-e.ctx.Done():
	}
	return e.ctx.Err() == nil
}

// resume ends an isolation at once, and not with the next look.
func (e *Engine) resume() {
	select {
	case e.resumed <- struct{}{}:
	default:
	}
}

// Close implements engine.Engine. Changes that are in flight fail, and may be made
// nevertheless.
func (e *Engine) Close() error {
	e.stop(engine.ErrClosed)
	for _, s := range e.all() {
		s.proposer.Close()
	}
	e.life.Lock()
	closed := e.life.closed
	e.life.closed = true
	e.life.Unlock()
	if closed {
		return engine.ErrClosed
	}
	e.running.Wait()
	return errors.Join(e.Replica.Close(), e.memory.Replica.Close())
}

// all returns all shards, that of memory-only channels included.
func (e *Engine) all() []*shard {
	return append(e.shards[:len(e.shards):len(e.shards)], e.memory.shard)
}

func (e *Engine) shardOf(channel string) *shard { return e.shards[ShardOf(channel, len(e.shards))] }

// Epoch implements engine.Engine. It is the same on all nodes.
func (e *Engine) Epoch() string { return e.epoch }

// Node implements engine.Shared.
func (e *Engine) Node() string { return e.o.Node }

// Bus implements engine.Shared.
func (e *Engine) Bus() engine.Bus { return e.o.Bus }

// WatchUsers implements engine.Shared.
func (e *Engine) WatchUsers(f func(updates []engine.Update, own bool)) { e.watchUsers.Store(&f) }

func (e *Engine) notifyUsers(updates []engine.Update, own bool) {
	if f := e.watchUsers.Load(); f != nil {
		(*f)(updates, own)
	}
}

// WatchIsolation implements engine.Shared.
func (e *Engine) WatchIsolation(f func(isolated bool)) { e.isolation.notify.Store(&f) }

// count counts what a shard has applied.
func (e *Engine) count(bytes int, took time.Duration) {
	e.flusher.count(bytes)
	e.applyTime.Observe(took)
}

// Ready implements engine.Health.
func (e *Engine) Ready() error {
	for _, s := range e.all() {
		if err := s.follower.Ready(); err != nil {
			return err
		}
	}
	if h, ok := e.Replica.(engine.Health); ok {
		return h.Ready()
	}
	return nil
}

// Halted returns a channel that is closed when the replica has stopped for good: it cannot
// apply the log, or must not. Ready says why. If that wraps ErrTrimmed or ErrForked, the
// replica needs a snapshot. The channel is not closed as long as the log of another shard
// waits to be repaired.
func (e *Engine) Halted() <-chan struct{} { return e.halted }
