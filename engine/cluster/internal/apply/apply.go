package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// apply applies an entry of the log, and completes the calls of this node that are in it.
func (f *Follower) apply(ctx context.Context, entry *replog.Entry, now int64) error {
	b, err := batch.Decode(entry.Data, f.o.Level)
	if err != nil {
		return stopped("batch %d cannot be applied: %w", entry.Position, err)
	}
	if has, disagrees := f.disagrees(b, entry.Position); disagrees && entry.Position > f.note.Void {
		if err := f.skip(ctx, entry.Position, has); err != nil {
			return err
		}
	}
	if b.Genesis != nil && b.Generation == f.note.Generation+1 && !f.note.Follows(b, entry.Position) && f.recent.Agrees(b.Base, b.History) {
		// A repair that came to nothing: the replica that began it has gone on.
		b.Generation = f.note.Generation
	}
	verdict, err := f.note.Take(b, entry, now)
	if err != nil {
		return stopped("batch %d cannot be applied: %w", entry.Position, err)
	}
	next := &engine.Batch{Shard: f.o.Shard, Position: entry.Position, Time: now, Note: f.note.Append(nil)}
	if verdict == note.Apply {
		next.Changes, next.Sweep = b.Changes, b.Sweep
	}
	results, err := f.o.Replica.Apply(context.WithoutCancel(ctx), next)
	switch {
	case errors.Is(err, engine.ErrClosed):
		return err
	case errors.Is(err, engine.ErrFull) || errors.Is(err, engine.ErrStalled):
		return &pauseError{fmt.Errorf("batch %d cannot be applied now: %w", entry.Position, err)}
	case err != nil:
		return stopped("batch %d cannot be applied: %w", entry.Position, err)
	}
	f.recent.Add(entry.Position, f.note.History)
	own := f.proposer.Owns(b)
	if verdict == note.Apply {
		f.notifyUsers(b, own)
	}
	if own {
		f.proposer.Complete(b, verdict, results)
	}
	return nil
}

// skip makes the entries from a position on void, if the log was repaired because of what a
// node has. Else the shard must not go on.
func (f *Follower) skip(ctx context.Context, position uint64, has sight) error {
	_, last, err := f.o.Log.Bounds(ctx, f.o.Shard)
	if err != nil {
		return err
	}
	genesis, later, err := f.voided(ctx, position-1, last)
	switch {
	case err != nil:
		return err
	case later:
		return leftBehind(position - 1)
	case genesis == 0:
		return lost(has)
	}
	f.note.Void = genesis - 1
	return nil
}

// notifyUsers calls the watcher of users with the updates of a batch.
func (f *Follower) notifyUsers(b *batch.Batch, own bool) {
	var updates []engine.Update
	for _, ch := range b.Changes {
		if ch.Update != nil {
			updates = append(updates, *ch.Update)
		}
	}
	if len(updates) > 0 {
		f.o.Users(updates, own)
	}
}
