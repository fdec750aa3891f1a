package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// Keep limits the entries that the log keeps for members which do not have them on disk
// yet. A member that is further behind is not waited for: it needs a snapshot.
type Keep struct {
	Entries uint64        // batches of a shard; 0: 10 000 000
	Bytes   uint64        // of a shard; 0: 1 GiB
	Age     time.Duration // since the last report of the member; 0: 24 h
}

func (k *Keep) complete() {
	if k.Entries == 0 {
		k.Entries = 10_000_000
	}
	if k.Bytes == 0 {
		k.Bytes = 1 << 30
	}
	if k.Age <= 0 {
		k.Age = 24 * time.Hour
	}
}

// trimEvery is the number of flushes between two attempts to trim the log.
const trimEvery = 10

// trimmable returns the position up to which the log of a shard can be trimmed, given its
// members, their position and time, and the size of the log up to there.
func (k *Keep) trimmable(members []note.Member, at, size uint64, now int64) uint64 {
	through := at
	for i := range members {
		m := &members[i]
		if at-min(at, m.Durable) <= k.Entries && size-min(size, m.Size) <= k.Bytes && now-m.Time <= k.Age.Milliseconds() {
			through = min(through, m.Durable)
		}
	}
	return through
}

// trimmer trims the log from time to time.
type trimmer struct {
	log    Log
	keep   Keep
	every  time.Duration
	logger *slog.Logger
}

// run trims the log of shards until ctx is done.
func (t *trimmer) run(ctx context.Context, shards []*shard) {
	for pause.For(ctx, t.every) == nil {
		for _, s := range shards {
			if err := t.trim(ctx, s); err != nil && ctx.Err() == nil {
				t.logger.Warn("the log of the cluster cannot be trimmed", "shard", s.number, "error", err)
			}
		}
	}
}

// trim removes the entries that no member needs any more. The last one that all members
// have is kept: a replica compares it with what it applied when it starts.
func (t *trimmer) trim(ctx context.Context, s *shard) error {
	ctx, cancel := context.WithTimeout(ctx, replog.Timeout)
	defer cancel()
	first, last, err := t.log.Bounds(ctx, s.number)
	if err != nil {
		return fmt.Errorf("bounds of the log: %w", err)
	}
	a := s.follower.Applied()
	if last < a.Position {
		s.follower.Refollow() // which says what has happened
		return nil
	}
	through := min(t.keep.trimmable(a.Members, a.Position, a.Size, a.Time), s.durable.position())
	if s.follower.Halted() || through <= first {
		return nil
	}
	through--
	if err := t.log.Trim(ctx, s.number, through); err != nil {
		return fmt.Errorf("trim the log through %d: %w", through, err)
	}
	return nil
}
