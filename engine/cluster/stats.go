package cluster

import "github.com/wirepost/wirepost/engine"

// Stats implements engine.Shared.
func (e *Engine) Stats() engine.ClusterStats {
	stats := engine.ClusterStats{
		Apply: engine.Histogram(e.applyTime.Snapshot()), Snapshots: e.snapshots.Taken(),
		Shards: make([]engine.ShardStats, len(e.shards)),
	}
	for i, s := range e.shards {
		position, _, behind := s.progress()
		stats.Shards[i] = engine.ShardStats{Position: position, Lag: behind}
	}
	for _, s := range e.all() {
		if s.inFlight() {
			stats.InFlight++
		}
	}
	return stats
}

// inFlight reports whether a batch was proposed and not yet seen.
func (s *shard) inFlight() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen != nil
}
