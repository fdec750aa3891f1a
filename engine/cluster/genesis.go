package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
)

// found founds the cluster if the log is empty, and learns its epoch. It waits for the log
// until ctx is done.
func (e *Engine) found(ctx context.Context) error {
	for _, s := range e.shards {
		if n := &s.note; n.Epoch != "" {
			if err := e.belongs(n.Epoch, n.Cluster, n.Shards); err != nil {
				return fmt.Errorf("the replica: %w", err)
			}
			continue
		}
		if err := s.found(ctx); err != nil {
			return fmt.Errorf("shard %d: %w", s.number, err)
		}
	}
	// The replica keeps the epoch when it becomes a store of its own.
	if r, ok := e.Replica.(interface{ SetEpoch(epoch string) error }); ok {
		return r.SetEpoch(e.epoch)
	}
	return nil
}

// belongs returns an error unless something belongs to this cluster. The first shard says
// which epoch it has.
func (e *Engine) belongs(epoch, name string, shards int) error {
	switch {
	case name != e.name:
		return fmt.Errorf("%w: it belongs to the cluster %q, this node to %q", ErrForeign, name, e.name)
	case shards != len(e.shards):
		return fmt.Errorf("%w: it has %d shards, this node is set to %d", ErrForeign, shards, len(e.shards))
	case e.epoch != "" && epoch != e.epoch:
		return fmt.Errorf("%w: it has epoch %s, and not %s", ErrForeign, epoch, e.epoch)
	}
	e.epoch = epoch
	return nil
}

// found reads the genesis of a shard that the replica knows nothing of, and proposes one
// if there is none.
func (s *shard) found(ctx context.Context) error {
	data, err := s.e.hasData(ctx)
	if err != nil {
		return err
	}
	epoch := s.e.epoch
	if epoch == "" {
		epoch = s.e.Replica.Epoch()
	}
	b := batch.Batch{
		Level: 1, Epoch: epoch, Proposer: batch.NewProposer(), Counter: 1,
		Genesis: &batch.Genesis{Cluster: s.e.name, Shards: len(s.e.shards), Data: data},
	}
	proposal := b.Append(nil)
	if s.e.joinOnly && !data {
		proposal = nil
	}
	first, err := s.first(ctx, proposal)
	if err != nil {
		return err
	}
	g := first.Genesis
	switch {
	case g == nil:
		return note.ErrNoGenesis
	case data && first.Epoch != s.e.Replica.Epoch():
		return fmt.Errorf("the log: %w: it was founded with epoch %s, and the directory of this node has data of its own, with epoch %s",
			ErrForeign, first.Epoch, s.e.Replica.Epoch())
	case g.Data && !data:
		return fmt.Errorf("%w: the cluster began with data that is not in the log", ErrTrimmed)
	}
	if err := s.e.belongs(first.Epoch, g.Cluster, g.Shards); err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	return nil
}

// hasData reports whether the replica has data.
func (e *Engine) hasData(ctx context.Context) (bool, error) {
	channels, err := e.Replica.ListChannels(ctx, "", "", 1)
	if err != nil || len(channels) > 0 {
		return len(channels) > 0, err
	}
	users, err := e.Replica.ListUsers(ctx, "", "", 1)
	return len(users) > 0, err
}

// errUnfounded says that a node waits for another one to found the cluster.
var errUnfounded = errors.New("no node has founded the cluster yet")

// first returns the first batch of the log. While there is none it proposes one, or waits
// for it if the proposal is nil.
func (s *shard) first(ctx context.Context, proposal []byte) (*batch.Batch, error) {
	warned := false
	for {
		b, err := s.tryFirst(ctx, proposal)
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrTrimmed) || errors.Is(err, errUnreadable) {
			return b, err
		}
		if !warned {
			s.e.logger.Warn("waiting for the log of the cluster", "shard", s.number, "error", err)
			warned = true
		}
		if err := pause.For(ctx, followPause); err != nil {
			return nil, err
		}
	}
}

// errUnreadable says that an entry of the log does not say what a batch says.
var errUnreadable = errors.New("an entry of the log cannot be read")

func (s *shard) tryFirst(ctx context.Context, proposal []byte) (*batch.Batch, error) {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	first, last, err := s.e.log.Bounds(ctx, s.number)
	switch {
	case err != nil:
		return nil, err
	case last == 0 && proposal == nil:
		return nil, errUnfounded
	case last == 0:
		if err := s.e.log.Propose(ctx, s.number, proposal); err != nil {
			return nil, err
		}
	case first > 1:
		return nil, fmt.Errorf("%w: it begins at %d", ErrTrimmed, first)
	}
	return s.read(ctx, 1)
}

// read reads the batch at a position of the log.
func (s *shard) read(ctx context.Context, position uint64) (*batch.Batch, error) {
	for entry, err := range s.e.log.Follow(ctx, s.number, position-1) {
		if err != nil {
			return nil, err
		}
		b, err := batch.Decode(entry.Data, s.e.level)
		if err != nil {
			return nil, fmt.Errorf("%w: position %d: %w", errUnreadable, position, err)
		}
		return b, nil
	}
	return nil, context.Cause(ctx)
}
