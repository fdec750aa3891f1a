package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// TestStats: a node counts the batches that it applies, and knows those that it has proposed
// in vain, and for how long it has not heard of the log.
func TestStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes, links := openLinked(t)
		a := nodes[0]
		synctest.Wait() // for what the nodes say about themselves at their start
		before := a.Stats()
		if before.InFlight != 0 || before.Snapshots != 0 || len(before.Shards) != shards || before.Apply.Count == 0 {
			t.Errorf("%+v", before)
		}
		push(t, a, engine.Entry{Channel: channelOf(1), ID: "1"})
		if store, ok := a.StoreStats(); !ok || store.Bytes == 0 {
			t.Errorf("the store of the replica is measured as %+v (%t)", store, ok)
		}
		after := a.Stats()
		if after.Apply.Count <= before.Apply.Count || after.Shards[1].Position <= before.Shards[1].Position || after.Shards[1].Lag != 0 {
			t.Errorf("%+v, before %+v", after, before)
		}
		links[0].Cut(true, true)
		time.Sleep(5 * time.Second)
		stats := a.Stats()
		if stats.InFlight == 0 || stats.Shards[1].Lag < 3*time.Second || stats.Shards[1].Lag > 6*time.Second {
			t.Errorf("cut off: %+v", stats)
		}
		links[0].Cut(false, false)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if stats := a.Stats(); stats.InFlight != 0 || stats.Shards[1].Lag != 0 {
			t.Errorf("after the cut: %+v", stats)
		}
	})
}
