package cluster

import "github.com/wirepost/wirepost/engine"

// StoreStats implements engine.Measured: it measures the replica.
func (e *Engine) StoreStats() (engine.StoreStats, bool) {
	if m, ok := e.Replica.(engine.Measured); ok {
		return m.StoreStats()
	}
	return engine.StoreStats{}, false
}

// Stats implements engine.Shared.
func (e *Engine) Stats() engine.ClusterStats {
	stats := engine.ClusterStats{
		Apply: engine.Histogram(e.applyTime.Snapshot()), Snapshots: e.snapshots.Taken(),
		Shards: make([]engine.ShardStats, len(e.shards)),
	}
	for i, s := range e.shards {
		stats.Shards[i] = engine.ShardStats{Position: s.follower.Applied().Position, Lag: s.follower.Lag()}
	}
	for _, s := range e.all() {
		if s.proposer.InFlight() {
			stats.InFlight++
		}
	}
	return stats
}
