package logtest

import (
	"context"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
)

// Ticked is a node that calls a function before each read, which gives its replica the time
// of the clock: the time of a shard is that of its last batch.
type Ticked struct {
	*cluster.Engine
	Before func(context.Context)
}

// Read implements engine.Log.
func (n *Ticked) Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (engine.Page, error) {
	n.Before(ctx)
	return n.Engine.Read(ctx, channel, after, maxRecords, maxBytes)
}

// ReadBefore implements engine.Log.
func (n *Ticked) ReadBefore(ctx context.Context, channel string, before uint64, maxRecords, maxBytes int) (engine.Page, error) {
	n.Before(ctx)
	return n.Engine.ReadBefore(ctx, channel, before, maxRecords, maxBytes)
}

// Bounds implements engine.Log.
func (n *Ticked) Bounds(ctx context.Context, channel string) (engine.Bounds, error) {
	n.Before(ctx)
	return n.Engine.Bounds(ctx, channel)
}

// Count implements engine.Log.
func (n *Ticked) Count(ctx context.Context, channel string, after uint64) (int, error) {
	n.Before(ctx)
	return n.Engine.Count(ctx, channel, after)
}
