package cluster

import (
	"context"
	"errors"
	"fmt"
)

// Repair implements engine.Shared.
func (e *Engine) Repair(ctx context.Context, abandon bool) (shards []int, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	for _, s := range e.shards {
		ahead := func(position, generation uint64) (node string, furthest uint64) {
			return e.nodes.Ahead(s.number, position, generation, abandon)
		}
		repaired, failed := s.follower.Repair(ctx, abandon, ahead)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("shard %d: %w", s.number, failed))
		} else if repaired {
			shards = append(shards, s.number)
		}
	}
	return shards, err
}
