package cluster_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

// slow is a replica on a disk that takes seconds for a batch.
type slow struct{ *pebble.Replica }

func (r slow) Apply(ctx context.Context, b *engine.Batch) ([]engine.Result, error) {
	time.Sleep(3 * time.Second)
	return r.Replica.Apply(ctx, b)
}

// asked is a log that counts how often it is asked for its bounds.
type asked struct {
	*logtest.Memory
	times atomic.Int64
}

func (l *asked) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	l.times.Add(1)
	return l.Memory.Bounds(ctx, shard)
}

// TestSlowReplica: a node that takes seconds to apply a batch does not take its own batches
// for lost. It becomes ready, and stays so.
func TestSlowReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &asked{Memory: logtest.NewMemory(shards)}
		e, err := cluster.Open(t.Context(), cluster.Options{
			Name: "c", Node: "a", Log: log, Replica: slow{openReplica(t, vfs.NewMem())}, Shards: shards, Logger: quiet, Patience: time.Minute, FlushEvery: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNode(t, e)
		time.Sleep(15 * time.Second)
		before := log.times.Load()
		for range 10 {
			if err := e.Ready(); err != nil {
				t.Error(err)
			}
			if _, err := e.Append(t.Context(), []engine.Entry{{Channel: "c", Data: []byte("1")}}); err != nil {
				t.Error(err)
			}
		}
		if n := log.times.Load() - before; n > 0 {
			t.Errorf("the log was asked %d times", n)
		}
	})
}
