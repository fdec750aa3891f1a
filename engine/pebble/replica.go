package pebble

import (
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
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
type Replica struct {
	*Engine
}

var _ engine.Replica = (*Replica)(nil)

// OpenReplica opens a store as a replica, with shards, of which of says which one a name
// of a channel belongs to. A user belongs to the shard of its inbox. The same store may be
// opened by Open later; then it is no replica any more.
func OpenReplica(dir string, shards int, of func(channel string) int, o Options) (*Replica, error) {
	o.complete()
	o.positions = &positions{of: of, shards: make([]shard, shards)}
	e, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open replica %s: %w", dir, err)
	}
	return &Replica{Engine: e}, nil
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
		return fmt.Errorf("set the epoch: %w", disk.Worded(err))
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
	at := r.positions.applied(shard)
	return at.Position, at.Time, at.Note
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
	r.positions.end(b)
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

// change makes the changes of a batch in one commit. Space was checked before the batch was
// proposed: what is in the log is applied as long as the disk takes it.
func (r *Replica) change(ctx context.Context, b *engine.Batch) ([]engine.Result, error) {
	var entries []engine.Entry
	for i := range b.Changes {
		if in := b.Changes[i].Entry; in != nil {
			entries = append(entries, *in)
		}
	}
	results := make([]engine.Result, len(entries))
	err := r.committer.Apply(ctx, entries, func(c *stage.Changes, pins []cache.Pins) error {
		r.begin(c, b)
		if err := stageBatch(c, b, pins, results); err != nil {
			// Another replica may have made the change.
			r.fault.Set(disk.Worded(err))
			return err
		}
		c.SetApplied(b.Shard, appliedBy(b))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// stageBatch stages the changes of a batch.
func stageBatch(c *stage.Changes, b *engine.Batch, pins []cache.Pins, results []engine.Result) error {
	n := 0
	for i := range b.Changes {
		switch ch := &b.Changes[i]; {
		case ch.Entry != nil:
			c.Append(ch.Entry, &pins[n], &results[n])
			if err := results[n].Err; err != nil && !errors.Is(err, engine.ErrNotFound) {
				return err
			}
			n++
		case ch.Update != nil:
			if err := c.Save(ch.Update); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin makes the time of a batch that of the commit, and of its shard.
func (r *Replica) begin(c *stage.Changes, b *engine.Batch) {
	c.At(b.Time)
	r.positions.begin(b)
}

// finish stores the position of a batch whose changes are made.
func (r *Replica) finish(ctx context.Context, b *engine.Batch) error {
	return r.committer.Do(ctx, committer.Mode{Frees: true}, nil, func(c *stage.Changes) error {
		r.begin(c, b)
		c.SetApplied(b.Shard, appliedBy(b))
		return nil
	})
}

// sweepShard removes what has ended by the time of a batch.
func (r *Replica) sweepShard(ctx context.Context, b *engine.Batch) error {
	r.positions.begin(b)
	if b.Shard == 0 { // the IDs of all shards, which count for a day less than they are kept
		if err := r.forgetMemos(format.DayOf(b.Time)); err != nil {
			return err
		}
	}
	for {
		due, err := r.dueSweeps(b.Time, func(channel string) bool { return r.positions.of(channel) == b.Shard })
		if err != nil || len(due) == 0 {
			return err
		}
		if err := r.sweepDue(ctx, due, b.Time); err != nil {
			return err
		}
	}
}
