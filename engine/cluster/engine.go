package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
	"github.com/wirepost/wirepost/engine/cluster/internal/snapshot"
	"github.com/wirepost/wirepost/internal/count"
)

// Engine is an engine.Engine of one node. All methods are safe for concurrent use. What
// reads is answered by the replica of this node.
type Engine struct {
	engine.Replica

	// Static.
	name       string // of the cluster
	node       string
	version    string
	url        string
	bus        engine.Bus
	log        Log
	logger     *slog.Logger
	patience   time.Duration
	isolation  time.Duration
	tickEvery  time.Duration
	flushEvery time.Duration
	keep       Keep
	level      int
	joinOnly   bool
	run        string // names this run of the node
	started    time.Time
	epoch      string // of the cluster
	shards     []*shard
	memory     *memoryEngine
	ctx        context.Context // ends with Close
	stop       context.CancelCauseFunc
	running    sync.WaitGroup

	watchUsers  atomic.Pointer[func([]engine.Update, bool)]
	connections atomic.Pointer[func() int]
	draining    atomic.Bool

	nodes     nodes.Others
	announcer *nodes.Announcer
	snapshots snapshot.Server           // zero: the replica has none
	applyTime count.Histogram           // of each batch
	fatal     atomic.Pointer[stopError] // why all shards have to stop

	halting sync.Once
	halted  chan struct{} // closed when a shard has stopped for good

	refusal    atomic.Pointer[error] // why the replica takes no more
	isolated   atomic.Bool
	onIsolated atomic.Pointer[func(bool)]
	// Owned by watchLog.
	isolatedSince time.Time // zero: it is not isolated
	isolationTold bool      // the function was called

	unflushed atomic.Int64  // bytes of batches since the last flush
	full      chan struct{} // cap 1: there are many

	// life is read-locked by every change, and locked by Close to wait for them.
	life struct {
		sync.RWMutex
		closed bool
	}
}

var _ engine.Shared = (*Engine)(nil)

// Open starts a node. It waits for the log until it knows the epoch of the cluster, or ctx
// is done. It returns before the replica has caught up with the log: Ready says when it
// has.
func Open(ctx context.Context, o Options) (*Engine, error) {
	o.complete()
	e := &Engine{
		Replica: o.Replica, name: o.Name, node: o.Node, version: o.Version, url: o.URL, bus: o.Bus, log: o.Log,
		logger: o.Logger, patience: o.Patience, isolation: o.Isolation, tickEvery: o.TickEvery, flushEvery: o.FlushEvery,
		keep: o.Keep, level: o.level, joinOnly: o.JoinOnly, run: rand.Text(), started: time.Now(),
		full: make(chan struct{}, 1), halted: make(chan struct{}),
	}
	e.announcer = nodes.NewAnnouncer(o.Bus, o.Logger, e.self)
	for i := range o.Shards {
		s, err := newShard(e, i, o.Replica)
		if err != nil {
			return nil, fmt.Errorf("shard %d: %w", i, err)
		}
		e.shards = append(e.shards, s)
	}
	if err := e.found(ctx); err != nil {
		return nil, fmt.Errorf("join cluster %q: %w", o.Name, err)
	}
	e.memory = newMemory(e, &o)
	e.ctx, e.stop = context.WithCancelCause(context.Background())
	if err := e.join(ctx, o.SnapshotRate); err != nil {
		e.stop(engine.ErrClosed)
		return nil, errors.Join(err, e.memory.Replica.Close())
	}
	for _, s := range e.all() {
		e.running.Go(s.follow)
		e.running.Go(s.proposeAll)
	}
	e.admit()
	e.running.Go(e.flushAll)
	e.running.Go(e.trimAll)
	e.running.Go(e.suspectAll)
	e.running.Go(e.watchLog)
	return e, nil
}

// Epoch implements engine.Engine. It is the same on all nodes.
func (e *Engine) Epoch() string { return e.epoch }

// join listens to the announcements of other nodes, announces this one, and serves its
// snapshots.
func (e *Engine) join(ctx context.Context, snapshotRate int) error {
	if e.bus == nil {
		return nil
	}
	disclaim, err := e.announcer.Claim(ctx, e.node)
	if err != nil {
		return err
	}
	stop, err := e.announcer.Listen(e.heard)
	if err != nil {
		disclaim()
		return fmt.Errorf("listen to the other nodes: %w", err)
	}
	stopSnapshots, err := e.serveSnapshots(snapshotRate)
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

// serveSnapshots serves snapshots of the replica, if it has some, until stop is called.
func (e *Engine) serveSnapshots(bytesPerSecond int) (stop func(), err error) {
	source, ok := e.Replica.(engine.Snapshotter)
	if !ok {
		return func() {}, nil
	}
	e.snapshots = snapshot.Server{
		Cluster: e.name, Node: e.node, Bus: e.bus, Source: source, BytesPerSecond: bytesPerSecond, Logger: e.logger,
		Ready: e.Ready, Draining: e.draining.Load, Hold: e.hold, Release: e.release,
	}
	return e.snapshots.Start(e.ctx)
}

// enter begins a change, which leave ends.
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

// Node implements engine.Shared.
func (e *Engine) Node() string { return e.node }

// Bus implements engine.Shared.
func (e *Engine) Bus() engine.Bus { return e.bus }

// WatchUsers implements engine.Shared.
func (e *Engine) WatchUsers(f func(updates []engine.Update, own bool)) { e.watchUsers.Store(&f) }

func (e *Engine) leave() { e.life.RUnlock() }

// Close implements engine.Engine. Changes that are in flight fail, and may be made
// nevertheless.
func (e *Engine) Close() error {
	e.stop(engine.ErrClosed)
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

// Ready implements engine.Health.
func (e *Engine) Ready() error {
	for _, s := range e.all() {
		if err := s.ready(); err != nil {
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
// replica needs a snapshot.
func (e *Engine) Halted() <-chan struct{} { return e.halted }

// Append implements engine.Log. Entries of different shards are independent of each other:
// if some shards fail, the entries in them have an error of their own.
func (e *Engine) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	if err := e.admitted(); err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	return e.append(ctx, entries, e.shardOf)
}

func (e *Engine) append(ctx context.Context, entries []engine.Entry, shardOf func(channel string) *shard) ([]engine.Result, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	calls := make(map[*shard]*call, 1)
	index := make(map[*shard][]int, 1) // of the entries of a call
	var order []*shard
	for i := range entries {
		s := shardOf(entries[i].Channel)
		c := calls[s]
		if c == nil {
			c = newCall()
			calls[s] = c
			order = append(order, s)
		}
		c.data = batch.AppendEntry(c.data, &entries[i])
		c.entries++
		index[s] = append(index[s], i)
	}
	for _, s := range order {
		s.start(ctx, calls[s])
	}
	results := make([]engine.Result, len(entries))
	failed := 0
	var first error
	for _, s := range order {
		got, err := calls[s].wait(e)
		if err != nil {
			failed++
			first = errors.Join(first, err)
		}
		for k, i := range index[s] {
			if err != nil {
				results[i].Err = err
			} else {
				results[i] = got[k]
			}
		}
	}
	if failed == len(order) {
		return nil, fmt.Errorf("append: %w", first)
	}
	return results, nil
}

// Tick proposes a batch without changes to every shard, and waits until the replica has
// applied it, and with it everything that was in the log before.
func (e *Engine) Tick(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	shards := e.all()
	calls := make([]*call, len(shards))
	for i, s := range shards {
		calls[i] = newCall()
		calls[i].sweep = true
		s.start(ctx, calls[i])
	}
	var failed error
	for _, c := range calls {
		_, err := c.wait(e)
		failed = errors.Join(failed, err)
	}
	return failed
}

// Trim implements engine.Log.
func (e *Engine) Trim(ctx context.Context, channel string, through uint64) error {
	return e.trim(ctx, channel, through, e.shardOf(channel))
}

func (e *Engine) trim(ctx context.Context, channel string, through uint64, s *shard) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	c := newCall()
	c.alone = true
	c.data = batch.AppendTrim(nil, &engine.Trim{Channel: channel, Through: through})
	s.start(ctx, c)
	if _, err := c.wait(e); err != nil {
		return fmt.Errorf("trim: %w", err)
	}
	return nil
}

// Save implements engine.Users. What is in the log is durable, so sync changes nothing.
func (e *Engine) Save(ctx context.Context, updates []engine.Update, _ bool) error {
	if err := e.admitted(); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return e.save(ctx, updates, e.shardOf)
}

func (e *Engine) save(ctx context.Context, updates []engine.Update, shardOf func(channel string) *shard) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	calls := make(map[*shard]*call, 1)
	for i := range updates {
		s := shardOf("user:" + updates[i].User)
		c := calls[s]
		if c == nil {
			c = newCall()
			calls[s] = c
		}
		c.data = batch.AppendUpdate(c.data, &updates[i])
	}
	for s, c := range calls {
		s.start(ctx, c)
	}
	var failed error
	for _, c := range calls {
		_, err := c.wait(e)
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return fmt.Errorf("save: %w", failed)
	}
	return nil
}
