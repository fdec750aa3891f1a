// Package found founds a cluster, or finds out which one a log belongs to.
package found

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// Options says which cluster a node belongs to.
type Options struct {
	Cluster  string // its name
	Shards   int
	Level    int  // of the operations that this node knows
	JoinOnly bool // a node without data does not found a cluster
	// May returns why this node must not found the cluster, or not yet. Nil: it may.
	May func() error
	// Waiting is called with what the node waits for, when that changes. Nil: it is not.
	Waiting func(reason string)
	Log     replog.Log
	Replica engine.Replica
	Logger  *slog.Logger
}

// Cluster founds the cluster if the log is empty, and returns its epoch. It waits for the
// log until ctx is done.
func Cluster(ctx context.Context, o Options) (epoch string, err error) {
	f := founder{Options: o}
	for shard := range o.Shards {
		if err := f.shard(ctx, shard); err != nil {
			return "", err
		}
	}
	// The replica keeps the epoch when it becomes a store of its own.
	if r, ok := o.Replica.(interface{ SetEpoch(epoch string) error }); ok {
		return f.epoch, r.SetEpoch(f.epoch)
	}
	return f.epoch, nil
}

// founder is one call of Cluster.
type founder struct {
	Options
	epoch string // that the first shard has; "": not known yet
}

func (f *founder) shard(ctx context.Context, shard int) error {
	_, _, data := f.Replica.Applied(shard)
	n, err := note.Decode(data)
	switch {
	case err != nil:
		return fmt.Errorf("shard %d: %w", shard, err)
	case n.Epoch == "":
		if err := f.found(ctx, shard); err != nil {
			return fmt.Errorf("shard %d: %w", shard, err)
		}
		return nil
	}
	if err := f.belongs(n.Epoch, n.Cluster, n.Shards); err != nil {
		return fmt.Errorf("the replica: %w", err)
	}
	return nil
}

// belongs returns an error unless something belongs to this cluster. The first shard says
// which epoch it has.
func (f *founder) belongs(epoch, name string, shards int) error {
	switch {
	case name != f.Cluster:
		return fmt.Errorf("%w: it belongs to the cluster %q, this node to %q", note.ErrForeign, name, f.Cluster)
	case shards != f.Shards:
		return fmt.Errorf("%w: it has %d shards, this node is set to %d", note.ErrForeign, shards, f.Shards)
	case f.epoch != "" && epoch != f.epoch:
		return fmt.Errorf("%w: it has epoch %s, and not %s", note.ErrForeign, epoch, f.epoch)
	}
	f.epoch = epoch
	return nil
}

// found reads the genesis of a shard that the replica knows nothing of, and proposes one
// if there is none.
func (f *founder) found(ctx context.Context, shard int) error {
	data, err := HasData(ctx, f.Replica)
	if err != nil {
		return err
	}
	epoch := f.epoch
	if epoch == "" {
		epoch = f.Replica.Epoch()
	}
	b := batch.Batch{
		Level: 1, Epoch: epoch, Proposer: batch.NewProposer(), Counter: 1,
		Genesis: &batch.Genesis{Cluster: f.Cluster, Shards: f.Shards, Data: data},
	}
	proposal := b.Append(nil)
	if f.JoinOnly && !data {
		proposal = nil
	}
	first, err := f.first(ctx, shard, proposal)
	if err != nil {
		return err
	}
	g := first.Genesis
	switch {
	case g == nil:
		return note.ErrNoGenesis
	case data && first.Epoch != f.Replica.Epoch():
		return fmt.Errorf("the log: %w: it was founded with epoch %s, and the directory of this node has data of its own, with epoch %s",
			note.ErrForeign, first.Epoch, f.Replica.Epoch())
	case g.Data && !data:
		return fmt.Errorf("%w: the cluster began with data that is not in the log", replog.ErrTrimmed)
	}
	if err := f.belongs(first.Epoch, g.Cluster, g.Shards); err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	return nil
}

// HasData reports whether a replica has data.
func HasData(ctx context.Context, r engine.Replica) (bool, error) {
	channels, err := r.ListChannels(ctx, "", "", 1)
	if err != nil || len(channels) > 0 {
		return len(channels) > 0, err
	}
	users, err := r.ListUsers(ctx, "", "", 1)
	return len(users) > 0, err
}

// retryAfter is the pause after the log could not be reached.
const retryAfter = 100 * time.Millisecond

// errUnfounded says that a node waits for another one to found the cluster.
var errUnfounded = errors.New("it is empty, and this node has no data: it waits for a node that has some, or that founds the cluster")

// first returns the first batch of the log. While there is none it proposes one, or waits
// for it if the proposal is nil.
func (f *founder) first(ctx context.Context, shard int, proposal []byte) (*batch.Batch, error) {
	warned := ""
	for {
		b, err := f.tryFirst(ctx, shard, proposal)
		if err == nil || ctx.Err() != nil || errors.Is(err, replog.ErrTrimmed) || errors.Is(err, errUnreadable) {
			return b, err
		}
		if text := err.Error(); text != warned {
			warned = text
			if f.Waiting != nil {
				f.Waiting(text)
			}
			f.Logger.Warn("waiting for the log of the cluster", "shard", shard, "error", err)
		}
		if err := pause.For(ctx, retryAfter); err != nil {
			return nil, err
		}
	}
}

// errUnreadable says that an entry of the log does not say what a batch says.
var errUnreadable = errors.New("an entry of the log cannot be read")

func (f *founder) tryFirst(ctx context.Context, shard int, proposal []byte) (*batch.Batch, error) {
	ctx, cancel := context.WithTimeout(ctx, replog.Timeout)
	defer cancel()
	first, last, err := f.Log.Bounds(ctx, shard)
	switch {
	case err != nil:
		return nil, err
	case last == 0:
		if err := f.may(proposal); err != nil {
			return nil, err
		}
		if err := f.Log.Propose(ctx, shard, proposal); err != nil {
			return nil, err
		}
	case first > 1:
		return nil, fmt.Errorf("%w: it begins at %d", replog.ErrTrimmed, first)
	}
	return f.read(ctx, shard, 1)
}

// may returns why a node must not propose what founds the cluster.
func (f *founder) may(proposal []byte) error {
	if f.May != nil {
		if err := f.May(); err != nil {
			return err
		}
	}
	if proposal == nil {
		return errUnfounded
	}
	return nil
}

// read reads the batch at a position of the log.
func (f *founder) read(ctx context.Context, shard int, position uint64) (*batch.Batch, error) {
	for entry, err := range f.Log.Follow(ctx, shard, position-1) {
		if err != nil {
			return nil, err
		}
		b, err := batch.Decode(entry.Data, f.Level)
		if err != nil {
			return nil, fmt.Errorf("%w: position %d: %w", errUnreadable, position, err)
		}
		return b, nil
	}
	return nil, context.Cause(ctx)
}
