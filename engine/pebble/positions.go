package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// positions says how far a replica has applied the log of each shard.
type positions struct {
	of     func(channel string) int
	shards []shard

	followed bool // the store says that it follows a log; static after load
}

// shard is one log that a replica follows.
type shard struct {
	time atomic.Int64 // of the last batch

	mu sync.Mutex
	at format.Applied // guarded by mu
}

// load reads the positions from a store.
func (p *positions) load(db pdb.Reader) error {
	prefix := []byte{format.ShardPrefix}
	return format.ScanPrefix(context.Background(), db, prefix, prefix, func(key, value []byte) (err error) {
		if len(key) != len(format.ShardKey(nil, 0)) {
			return ErrDamaged
		}
		i := int(binary.BigEndian.Uint32(key[1:]))
		if i >= len(p.shards) {
			return fmt.Errorf("it follows a log with more than %d shards", len(p.shards))
		}
		s := &p.shards[i]
		if s.at, err = format.DecodeApplied(value); err != nil {
			return err
		}
		s.time.Store(s.at.Time)
		p.followed = true
		return nil
	})
}

// timeOf is the time by which the records of a channel expire.
func (p *positions) timeOf(channel string) int64 { return p.shards[p.of(channel)].time.Load() }

// begin makes the time of a batch that of its shard.
func (p *positions) begin(b *engine.Batch) { p.shards[b.Shard].time.Store(b.Time) }

// end records that a batch has been applied.
func (p *positions) end(b *engine.Batch) {
	s := &p.shards[b.Shard]
	s.mu.Lock()
	s.at = appliedBy(b)
	s.mu.Unlock()
}

// appliedBy is what is stored of a shard after a batch.
func appliedBy(b *engine.Batch) format.Applied {
	return format.Applied{Position: b.Position, Time: b.Time, Note: b.Note}
}

// applied returns how far a shard was applied.
func (p *positions) applied(shard int) format.Applied {
	s := &p.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}
