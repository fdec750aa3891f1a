package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/note"
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

// trim removes the entries that no member needs any more. The last one that all members
// have is kept: a replica compares it with what it applied when it starts.
func (s *shard) trim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	first, last, err := s.e.log.Bounds(ctx, s.number)
	if err != nil {
		return fmt.Errorf("bounds of the log: %w", err)
	}
	s.mu.Lock()
	at, durable, halted := s.at, s.durable.position, s.stopped != nil || s.paused != nil
	through := s.e.keep.trimmable(s.members, at, s.size, s.time)
	s.mu.Unlock()
	if last < at {
		s.refollow() // which says what has happened
		return nil
	}
	through = min(through, durable)
	if halted || through <= first {
		return nil
	}
	through--
	if err := s.e.log.Trim(ctx, s.number, through); err != nil {
		return fmt.Errorf("trim the log through %d: %w", through, err)
	}
	return nil
}
