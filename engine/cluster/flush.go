package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// flushBytes is the size of batches after which the replica is flushed before it is due.
const flushBytes = 32 << 20

// flusher makes durable what was applied, from time to time, and has it reported to the log.
type flusher struct {
	replica engine.Replica
	every   time.Duration
	logger  *slog.Logger

	pending atomic.Int64  // bytes of batches since the last flush
	full    chan struct{} // cap 1: there are many
}

// count counts bytes that were applied, and has them flushed when there are many.
func (f *flusher) count(n int) {
	if f.pending.Add(int64(n)) >= flushBytes {
		select {
		case f.full <- struct{}{}:
		default:
		}
	}
}

// run flushes until ctx is done.
func (f *flusher) run(ctx context.Context, shards []*shard) {
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-f.full:
		case <-ctx.Done():
			return
		}
		f.flush(ctx, shards)
	}
}

func (f *flusher) flush(ctx context.Context, shards []*shard) {
	applied := make([]extent, len(shards))
	for i, s := range shards {
		applied[i] = extentOf(s.follower.Applied())
	}
	f.pending.Store(0)
	if err := f.replica.Flush(ctx); err != nil {
		if ctx.Err() == nil {
			f.logger.Warn("the replica cannot be flushed", "error", err)
		}
		return
	}
	for i, s := range shards {
		s.durable.flushed(applied[i])
	}
}
