package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// TestTicksOfOneNode: of the nodes that wait for a batch in an idle shard, one proposes it.
func TestTicksOfOneNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rounds = 100
		log := slowLog{logtest.NewMemory(shards), 3 * time.Millisecond}
		for _, node := range []string{"a", "b", "c"} {
			e := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: node, Log: log, FlushEvery: time.Hour})
			defer closeNode(t, e)
		}
		time.Sleep(rounds * time.Second)
		for shard := range shards {
			switch _, last, err := log.Bounds(t.Context(), shard); {
			case err != nil:
				t.Fatal(err)
			case last < rounds*3/4 || last > rounds*3/2:
				t.Errorf("shard %d has %d batches after %d s", shard, last, rounds)
			}
		}
	})
}
