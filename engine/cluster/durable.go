package cluster

import (
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
)

// flushBytes is the size of batches after which the replica is flushed before it is due.
const flushBytes = 32 << 20

// reportEvery is the number of flushes after which a node reports what it has on disk.
const reportEvery = 5

// extent is a position, and the bytes of all entries up to there.
type extent struct{ position, size uint64 }

// flushAll makes durable what was applied, from time to time, and has it reported to the
// log.
func (e *Engine) flushAll() {
	ticker := time.NewTicker(e.flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-e.full:
		case <-e.ctx.Done():
			return
		}
		e.flush()
	}
}

func (e *Engine) flush() {
	applied := make([]extent, len(e.shards))
	for i, s := range e.shards {
		applied[i] = s.extent()
	}
	e.unflushed.Store(0)
	if err := e.Replica.Flush(e.ctx); err != nil {
		if e.ctx.Err() == nil {
			e.logger.Warn("the replica cannot be flushed", "error", err)
		}
		return
	}
	for i, s := range e.shards {
		s.flushed(applied[i])
	}
}

// count counts bytes that were applied, and has them flushed when there are many.
func (e *Engine) count(n int) {
	if e.unflushed.Add(int64(n)) >= flushBytes {
		select {
		case e.full <- struct{}{}:
		default:
		}
	}
}

func (s *shard) extent() extent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return extent{s.at, s.size}
}

// flushed records what is durable, and has it reported if it is time.
func (s *shard) flushed(to extent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil && to.position > s.held.position {
		to = *s.held
	}
	s.durable = to
	due := time.Since(s.reportedAt) >= reportEvery*s.e.flushEvery || to.size-s.reported.size >= flushBytes
	if due && to.position > s.reported.position {
		s.report = true
		s.poke()
	}
}

// trimAll trims the log from time to time.
func (e *Engine) trimAll() {
	for pause.For(e.ctx, trimEvery*e.flushEvery) == nil {
		for _, s := range e.shards {
			if err := s.trim(e.ctx); err != nil && e.ctx.Err() == nil {
				e.logger.Warn("the log of the cluster cannot be trimmed", "shard", s.number, "error", err)
			}
		}
	}
}

// suspectAll looks from time to time whether the log has lost what other nodes have.
func (e *Engine) suspectAll() {
	for pause.For(e.ctx, suspectAfter) == nil {
		for _, s := range e.shards {
			s.suspect(e.ctx)
		}
	}
}

// hold keeps the log from the present position on until release: as long as another node
// fetches a snapshot, this one does not report that it has later positions on its disk, so
// the log is kept within the limits of Keep.
func (e *Engine) hold() {
	for _, s := range e.shards {
		s.hold()
	}
}

func (e *Engine) release() {
	for _, s := range e.shards {
		s.release()
	}
}

// hold keeps the log from the present position on: until release the node does not report
// that it has more on its disk.
func (s *shard) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = &extent{s.at, s.size}
	}
}

func (s *shard) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
}
