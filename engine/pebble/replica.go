package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Replica is a store whose changes come from a replicated log. It is an Engine for
// readers and watchers.
//
// A batch is applied in one commit, together with its position, so that after a crash
// the log is followed from there. The exceptions are a trim and a sweep, which take
// several commits, of which the last has the position: doing them again has the same
// result.
//
// Nothing here depends on the clock of the machine: a shard has the time of its last
// batch, by which its records expire, and the store removes records only in a sweep that
// is in the log.
type Replica struct{ *Engine }

var _ engine.Replica = (*Replica)(nil)

// OpenReplica opens a store as a replica, with shards, of which of says which one a name
// of a channel belongs to. A user belongs to the shard of its inbox. The same store may be
// opened by Open later; then it is no replica any more.
func OpenReplica(dir string, shards int, of func(channel string) int, o Options) (*Replica, error) {
	o.complete()
	o.replica = &replica{of: of, shards: make([]shard, shards)}
	e, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open replica %s: %w", dir, err)
	}
	return &Replica{e}, nil
}

// replica is what an Engine knows that is a replica.
type replica struct {
	of     func(channel string) int
	shards []shard
	copied atomic.Bool // there is an open snapshot

	followed bool // the store says that it follows a log; static after load
}

// shard is one log that a replica follows.
type shard struct {
	time atomic.Int64 // of the last batch

	mu sync.Mutex
	at format.Applied // guarded by mu
}

// load reads how far the shards have come.
func (r *replica) load(e *Engine) error {
	prefix := []byte{format.ShardPrefix}
	return format.ScanPrefix(context.Background(), e.db, prefix, prefix, func(key, value []byte) (err error) {
		if len(key) != len(format.ShardKey(nil, 0)) {
			return ErrDamaged
		}
		i := int(binary.BigEndian.Uint32(key[1:]))
		if i >= len(r.shards) {
			return fmt.Errorf("it follows a log with more than %d shards", len(r.shards))
		}
		s := &r.shards[i]
		if s.at, err = format.DecodeApplied(value); err != nil {
			return err
		}
		s.time.Store(s.at.Time)
		r.followed = true
		return nil
	})
}

// leaveLog makes a store that followed a log one that does not: from now on it changes
// without it.
func (e *Engine) leaveLog() error {
	followed := false
	prefix := []byte{format.ShardPrefix}
	err := format.ScanPrefix(context.Background(), e.db, prefix, prefix, func(key, value []byte) error {
		followed = true
		return format.ErrStop
	})
	if err != nil || !followed {
		return err
	}
	if err := directory.ForgetOutdated(e.fs, e.dir); err != nil {
		return err
	}
	e.log.Warn("this store followed the log of a cluster; from now on it is a store of its own, and cannot go back: to join the cluster again, a node needs an empty directory")
	return e.do(context.Background(), true, false, nil, func(c *commit) error {
		return c.batch.DeleteRange(prefix, format.Successor(prefix), nil)
	})
}

// timeOf is the time by which the records of a channel expire.
func (e *Engine) timeOf(channel string) int64 {
	if r := e.replica; r != nil {
		return r.shards[r.of(channel)].time.Load()
	}
	return e.nowMilli()
}

// SetEpoch changes the epoch of the store to that of the cluster. It must be called before
// anything else is. A store that stops following the log keeps it.
func (r *Replica) SetEpoch(epoch string) error {
	if epoch == r.epoch {
		return nil
	}
	err := r.fault.Get()
	if err == nil {
		err = r.keeper.SetEpoch(epoch)
	}
	if err != nil {
		return fmt.Errorf("set the epoch: %w", worded(err))
	}
	r.epoch = epoch
	return nil
}

// errReplica refuses changes that are not in the log.
var errReplica = errors.New("a replica is only changed by its log")

// Append refuses.
func (r *Replica) Append(context.Context, []engine.Entry) ([]engine.Result, error) {
	return nil, errReplica
}

// Trim refuses.
func (r *Replica) Trim(context.Context, string, uint64) error { return errReplica }

// Save refuses.
func (r *Replica) Save(context.Context, []engine.Update, bool) error { return errReplica }

// Applied implements engine.Replica.
func (r *Replica) Applied(shard int) (position uint64, time int64, note []byte) {
	s := &r.replica.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at.Position, s.at.Time, s.at.Note
}

// Flush implements engine.Replica.
func (r *Replica) Flush(ctx context.Context) error { return r.Engine.Save(ctx, nil, true) }

// Apply implements engine.Replica.
func (r *Replica) Apply(ctx context.Context, b *engine.Batch) ([]engine.Result, error) {
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	defer r.leave()
	results, err := r.apply(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("apply shard %d position %d: %w", b.Shard, b.Position, err)
	}
	s := &r.replica.shards[b.Shard]
	s.mu.Lock()
	s.at = format.Applied{Position: b.Position, Time: b.Time, Note: b.Note}
	s.mu.Unlock()
	return results, nil
}

func (r *Replica) apply(ctx context.Context, b *engine.Batch) ([]engine.Result, error) {
	if len(b.Changes) == 1 && b.Changes[0].Trim != nil {
		t := b.Changes[0].Trim
		if err := r.trim(ctx, t.Channel, t.Through, b.Time); err != nil {
			return nil, err
		}
		return nil, r.finish(ctx, b)
	}
	if b.Sweep {
		if err := r.sweepShard(ctx, b); err != nil {
			return nil, err
		}
	}
	return r.change(ctx, b)
}

// change makes the changes of a batch in one commit.
func (r *Replica) change(ctx context.Context, b *engine.Batch) ([]engine.Result, error) {
	rq := r.requests.Get().(*request)
	for i := range b.Changes {
		if in := b.Changes[i].Entry; in != nil {
			rq.entries = append(rq.entries, *in)
		}
	}
	rq.results = make([]engine.Result, len(rq.entries))
	results := rq.results
	// Space was checked before the batch was proposed: what is in the log is applied as
	// long as the disk takes it.
	rq.frees = true
	rq.run = func(c *commit) error {
		c.begin(b)
		n := 0
		for i := range b.Changes {
			switch ch := &b.Changes[i]; {
			case ch.Entry != nil:
				c.append(ch.Entry, &rq.pins[n], &results[n])
				if err := results[n].Err; err != nil && !errors.Is(err, engine.ErrNotFound) {
					return c.diverge(err)
				}
				n++
			case ch.Update != nil:
				if err := c.save(ch.Update); err != nil {
					return c.diverge(err)
				}
			}
		}
		c.end(b)
		return nil
	}
	r.mu.Lock()
	loaded := r.pinLocked(rq)
	if !loaded {
		r.mu.Unlock()
		if err := r.load(ctx, rq); err != nil {
			r.unpin(rq)
			r.free(rq)
			return nil, worded(err)
		}
		r.mu.Lock()
	}
	if err := r.await(ctx, rq); err != nil {
		return nil, err
	}
	return results, nil
}

// diverge stops the replica: a change failed here that another replica may have made.
func (c *commit) diverge(err error) error {
	c.e.fault.Set(worded(err))
	return err
}

// finish stores the position of a batch whose changes are made.
func (r *Replica) finish(ctx context.Context, b *engine.Batch) error {
	return r.do(ctx, false, true, nil, func(c *commit) error {
		c.begin(b)
		c.end(b)
		return nil
	})
}

// sweepShard removes what has ended by the time of a batch.
func (r *Replica) sweepShard(ctx context.Context, b *engine.Batch) error {
	r.replica.shards[b.Shard].time.Store(b.Time)
	if b.Shard == 0 { // the IDs of all shards, which count for a day less than they are kept
		if err := r.forgetMemos(format.DayOf(b.Time)); err != nil {
			return err
		}
	}
	for {
		due, err := r.dueSweeps(b.Time, func(channel string) bool { return r.replica.of(channel) == b.Shard })
		if err != nil || len(due) == 0 {
			return err
		}
		if err := r.sweepDue(ctx, due, b.Time); err != nil {
			return err
		}
	}
}

// begin makes the time of a batch that of the commit.
func (c *commit) begin(b *engine.Batch) {
	c.at(b.Time)
	c.e.replica.shards[b.Shard].time.Store(b.Time)
}

// end stores the position of a batch.
func (c *commit) end(b *engine.Batch) {
	at := format.Applied{Position: b.Position, Time: b.Time, Note: b.Note}
	c.value = at.Append(c.value[:0])
	c.set(format.ShardKey(c.key[:0], b.Shard), c.value)
}
