package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/apply"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
	"github.com/wirepost/wirepost/engine/memory"
)

// MemoryStart returns the first position of a log in memory that begins at a time. Each
// position stands for memory.MaxEntries sequences, so the sequences begin with the time in
// µs, as those of a single node do: they are greater than all before, also after the log
// was lost, unless there have been 3 900 batches a second all the time.
func MemoryStart(now time.Time) uint64 {
	return uint64(max(0, now.UnixMicro()))/memory.MaxEntries + 1
}

// memoryEngine is the engine of memory-only channels: a replica in memory, whose log
// does not last. Its records have the same sequences on all nodes. A node that has missed
// the beginning of the log reports that as lost.
type memoryEngine struct {
	*memory.Replica
	e     *Engine
	shard *shard
}

var _ engine.Engine = (*memoryEngine)(nil)

func newMemory(e *Engine, o apply.Options) (*memoryEngine, error) {
	m := &memoryEngine{
		Replica: memory.NewReplica(memory.Options{MaxBytes: e.o.MemoryBytes, Logger: e.o.Logger}),
		e:       e,
	}
	o.Memory, o.Replica = m.Replica, m.Replica
	p := propose.Options{Patience: e.o.Patience, TickEvery: e.o.TickEvery, Resumed: e.resume, MaxEntries: memory.MaxEntries}
	var err error
	m.shard, err = newShard(o, p, e.o.FlushEvery)
	return m, err
}

// Memory implements engine.Shared.
func (e *Engine) Memory() engine.Engine { return e.memory }

// Close does nothing: the engine is closed with the Engine.
func (m *memoryEngine) Close() error { return nil }

// caughtUp returns an error until the replica has caught up with the log. Before that it
// does not know which sequences are lost.
func (m *memoryEngine) caughtUp() error {
	if m.shard.follower.Behind() {
		return fmt.Errorf("%w: memory-only channels are not known yet", engine.ErrCatchingUp)
	}
	return nil
}

// Append implements engine.Log.
func (m *memoryEngine) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	var all []engine.Result
	for part := range slices.Chunk(entries, memory.MaxEntries) {
		results, err := m.e.append(ctx, part, func(string) *shard { return m.shard })
		if err != nil && len(all) == 0 {
			return nil, err
		}
		if err != nil {
			results = slices.Repeat([]engine.Result{{Err: err}}, len(part))
		}
		all = append(all, results...)
	}
	return all, nil
}

// Trim implements engine.Log.
func (m *memoryEngine) Trim(ctx context.Context, channel string, through uint64) error {
	return m.e.trim(ctx, channel, through, m.shard)
}

// Save implements engine.Users.
func (m *memoryEngine) Save(ctx context.Context, updates []engine.Update, _ bool) error {
	return m.e.save(ctx, updates, func(int) *shard { return m.shard })
}

// Read implements engine.Log.
func (m *memoryEngine) Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (engine.Page, error) {
	if err := m.caughtUp(); err != nil {
		return engine.Page{}, err
	}
	return m.Replica.Read(ctx, channel, after, maxRecords, maxBytes)
}

// ReadBefore implements engine.Log.
func (m *memoryEngine) ReadBefore(ctx context.Context, channel string, before uint64, maxRecords, maxBytes int) (engine.Page, error) {
	if err := m.caughtUp(); err != nil {
		return engine.Page{}, err
	}
	return m.Replica.ReadBefore(ctx, channel, before, maxRecords, maxBytes)
}

// Bounds implements engine.Log.
func (m *memoryEngine) Bounds(ctx context.Context, channel string) (engine.Bounds, error) {
	if err := m.caughtUp(); err != nil {
		return engine.Bounds{}, err
	}
	return m.Replica.Bounds(ctx, channel)
}

// Count implements engine.Log.
func (m *memoryEngine) Count(ctx context.Context, channel string, after uint64) (int, error) {
	if err := m.caughtUp(); err != nil {
		return 0, err
	}
	return m.Replica.Count(ctx, channel, after)
}

// ListChannels implements engine.Log.
func (m *memoryEngine) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if err := m.caughtUp(); err != nil {
		return nil, err
	}
	return m.Replica.ListChannels(ctx, prefix, after, limit)
}

// Watch implements engine.Log.
func (m *memoryEngine) Watch(ctx context.Context, channel string, w engine.Watcher) (uint64, error) {
	if err := m.caughtUp(); err != nil {
		return 0, err
	}
	return m.Replica.Watch(ctx, channel, w)
}
