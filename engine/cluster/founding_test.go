package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

// slowShards is a log whose shards but the first have no leader for a while.
type slowShards struct {
	cluster.Log
	from time.Time
}

func (l slowShards) Propose(ctx context.Context, shard int, data []byte) error {
	if wait := time.Until(l.from); shard > 0 && wait > 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return l.Log.Propose(ctx, shard, data)
}

// TestFoundSlowly: a node with data founds the cluster shard by shard, while others that are
// empty wait for its snapshot already.
func TestFoundSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		single := vfs.NewMem()
		s, err := pebble.Open("store", pebble.Options{FS: single, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), []engine.Entry{{Channel: "x", ID: "1"}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := pebble.InitReplica("store", shards, pebble.Options{FS: single, Logger: quiet}); err != nil {
			t.Fatal(err)
		}
		log, bus := logtest.NewMemory(shards), &logtest.Bus{}
		joined := make(chan *cluster.Engine)
		for node, fs := range map[string]vfs.FS{"a": single, "b": vfs.NewMem(), "c": vfs.NewMem()} {
			go func() {
				n, err := cluster.Join(t.Context(), storeOf(fs), cluster.Options{
					Name: "c", Node: node, Nodes: 3, JoinOnly: node != "a", Bus: bus, Shards: shards, Logger: quiet,
					Log: slowShards{log, time.Now().Add(time.Minute)},
				}, nil)
				if err != nil {
					t.Error(err)
				}
				joined <- n
			}()
		}
		for range 3 {
			n := <-joined
			defer closeNode(t, n)
			if n != nil {
				if b, err := n.Bounds(t.Context(), "x"); err != nil || b.Head != 1 {
					t.Errorf("node %s: %+v, %v", n.Node(), b, err)
				}
			}
		}
	})
}
