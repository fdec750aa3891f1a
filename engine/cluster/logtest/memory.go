// Package logtest tests implementations of cluster.Log, and has one in memory.
package logtest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine/cluster"
)

// Memory is a log in memory, for nodes in one process. Its faults can be set.
type Memory struct {
	// Now is the time of entries.
	Now func() time.Time
	// Fault is called for each proposal, if it is set. With lose the entry is not logged,
	// with again it is logged twice; the proposal fails with err if that is not nil.
	Fault func(shard int, data []byte) (lose, again bool, err error)

	mu     sync.Mutex
	shards []memoryShard
}

type memoryShard struct {
	first   uint64 // position of entries[0]
	entries []cluster.Entry
	grown   chan struct{} // closed when there is another entry
}

var _ cluster.Log = (*Memory)(nil)

// NewMemory makes an empty log, with some shards and one for memory-only channels.
func NewMemory(shards int) *Memory {
	m := &Memory{Now: time.Now, shards: make([]memoryShard, shards+1)}
	for i := range m.shards {
		m.shards[i] = memoryShard{first: 1, grown: make(chan struct{})}
	}
	m.shards[shards].first = cluster.MemoryStart(time.Now())
	return m
}

// Propose implements cluster.Log.
func (m *Memory) Propose(ctx context.Context, shard int, data []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var lose, again bool
	var err error
	if m.Fault != nil {
		lose, again, err = m.Fault(shard, data)
	}
	if lose {
		return errors.Join(errors.New("the proposal was lost"), err)
	}
	m.add(shard, data)
	if again {
		m.add(shard, data)
	}
	return err
}

func (m *Memory) add(shard int, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[shard]
	s.entries = append(s.entries, cluster.Entry{
		Position: s.first + uint64(len(s.entries)), Time: m.Now().UnixMilli(), Data: append([]byte(nil), data...),
	})
	close(s.grown)
	s.grown = make(chan struct{})
}

// Follow implements cluster.Log.
func (m *Memory) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		for {
			more, grown, err := m.after(shard, after)
			if err != nil {
				yield(cluster.Entry{}, err)
				return
			}
			for _, entry := range more {
				if !yield(entry, nil) {
					return
				}
				after = entry.Position
			}
			if len(more) > 0 {
				continue
			}
			select {
			case <-grown:
			case <-ctx.Done():
				yield(cluster.Entry{}, context.Cause(ctx))
				return
			}
		}
	}
}

func (m *Memory) after(shard int, after uint64) (more []cluster.Entry, grown <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[shard]
	if after+1 < s.first {
		return nil, nil, cluster.ErrTrimmed
	}
	if n := after + 1 - s.first; n < uint64(len(s.entries)) {
		more = s.entries[n:len(s.entries):len(s.entries)]
	}
	return more, s.grown, nil
}

// Trim implements cluster.Log.
func (m *Memory) Trim(_ context.Context, shard int, through uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[shard]
	for len(s.entries) > 0 && s.first <= through {
		s.entries, s.first = s.entries[1:], s.first+1
	}
	return nil
}

// Bounds implements cluster.Log.
func (m *Memory) Bounds(_ context.Context, shard int) (first, last uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[shard]
	return s.first, s.first + uint64(len(s.entries)) - 1, nil
}

// Restart implements cluster.Log.
func (m *Memory) Restart(_ context.Context, shard int, after uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[shard]
	s.first, s.entries = after+1, nil
	return nil
}

// Cut loses the entries of a shard after a position.
func (m *Memory) Cut(shard int, after uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[shard]
	s.entries = append([]cluster.Entry(nil), s.entries[:after+1-s.first]...)
}

// Empty loses the log of a shard, which begins anew.
func (m *Memory) Empty(shard int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[shard]
	s.first, s.entries = 1, nil
}

// Lose loses the log of memory-only channels, which begins anew.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.shards[len(m.shards)-1]
	last := s.first + uint64(len(s.entries)) - 1
	s.first, s.entries = max(cluster.MemoryStart(m.Now()), last+1), nil
	close(s.grown)
	s.grown = make(chan struct{})
}
