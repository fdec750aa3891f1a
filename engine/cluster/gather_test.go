package cluster_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// slowLog takes a while for each proposal.
type slowLog struct {
	*logtest.Memory
	takes time.Duration
}

func (l slowLog) Propose(ctx context.Context, shard int, data []byte) error {
	time.Sleep(l.takes)
	return l.Memory.Propose(ctx, shard, data)
}

// TestGather: those who call again when they have their result are in one batch, and do not
// form two groups that take turns. One that calls alone does not wait.
func TestGather(t *testing.T) {
	t.Parallel()
	const takes, rounds = 20 * time.Millisecond, 30
	for _, test := range []struct{ callers, batches int }{{1, rounds}, {16, rounds + rounds/3}} {
		synctest.Test(t, func(t *testing.T) {
			log := slowLog{logtest.NewMemory(shards), takes}
			a := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: "a", Log: log, TickEvery: time.Hour, FlushEvery: time.Hour})
			defer closeNode(t, a)
			push(t, a, engine.Entry{Channel: "c"})
			_, before, err := log.Bounds(t.Context(), cluster.ShardOf("c", shards))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var calling sync.WaitGroup
			for i := range test.callers {
				calling.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond) // not all at once
					for range rounds {
						push(t, a, engine.Entry{Channel: "c"})
					}
				})
			}
			calling.Wait()
			took := time.Since(began)
			_, after, err := log.Bounds(t.Context(), cluster.ShardOf("c", shards))
			if err != nil {
				t.Fatal(err)
			}
			if n := int(after - before); n > test.batches {
				t.Errorf("%d callers: %d batches, want %d at most", test.callers, n, test.batches)
			}
			if most := time.Duration(test.batches) * takes; took > most {
				t.Errorf("%d callers: %s, want %s at most", test.callers, took, most)
			}
		})
	}
}
