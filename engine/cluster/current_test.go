package cluster_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// behindLog is a log whose answers come from a server that does not know its last entries
// until it is current.
type behindLog struct {
	*logtest.Memory
	missing atomic.Uint64 // in the shard of channel c
}

func (l *behindLog) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	first, last, err = l.Memory.Bounds(ctx, shard)
	if shard == cluster.ShardOf("c", shards) {
		last -= l.missing.Load()
	}
	return first, last, err
}

func (l *behindLog) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		_, last, _ := l.Bounds(ctx, shard) // it does not fail
		for entry, err := range l.Memory.Follow(ctx, shard, after) {
			for err == nil && shard == cluster.ShardOf("c", shards) && entry.Position > last && l.missing.Load() > 0 {
				select {
				case <-time.After(10 * time.Millisecond):
				case <-ctx.Done():
					yield(cluster.Entry{}, context.Cause(ctx))
					return
				}
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// TestEndOfLogIsOld: a node is not ready before it has everything that was acknowledged,
// although the log says that it ends earlier.
func TestEndOfLogIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &behindLog{Memory: logtest.NewMemory(shards)}
		o := cluster.Options{Name: "c", Node: "a", Log: log, Patience: time.Hour}
		fs := vfs.NewMem()
		e := openWith(t, fs, o)
		time.Sleep(time.Second)
		if err := e.Ready(); err != nil {
			t.Fatal(err)
		}
		closeNode(t, e)
		other := o
		other.Node = "b"
		b := openWith(t, vfs.NewMem(), other)
		for range 10 {
			if _, err := b.Append(t.Context(), []engine.Entry{{Channel: "c", Data: []byte("1")}}); err != nil {
				t.Fatal(err)
			}
		}
		log.missing.Store(4)
		e = openWith(t, fs, o)
		time.Sleep(3 * time.Second)
		if err := e.Ready(); err == nil {
			t.Error("the node is ready although it does not have all")
		}
		log.missing.Store(0)
		time.Sleep(3 * time.Second)
		if err := e.Ready(); err != nil {
			t.Error(err)
		}
		if bounds, err := e.Bounds(t.Context(), "c"); err != nil || bounds.Head != 10 {
			t.Errorf("the node has %+v, %v", bounds, err)
		}
		closeNode(t, e)
		closeNode(t, b)
	})
}

// TestEndOfLogIsOldAtFirst: a log that ends before the position of a replica for a moment,
// as with a leader that was elected just now, is no reason for an alarm.
func TestEndOfLogIsOldAtFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &behindLog{Memory: logtest.NewMemory(shards)}
		o := cluster.Options{Name: "c", Node: "a", Log: log, Patience: time.Hour}
		fs := vfs.NewMem()
		e := openWith(t, fs, o)
		push(t, e, engine.Entry{Channel: "c", ID: "1"})
		closeNode(t, e)
		log.missing.Store(1)
		e = openWith(t, fs, o)
		defer closeNode(t, e)
		time.Sleep(2 * time.Second)
		if self := e.Cluster().Nodes[0]; self.State != engine.NodeCatchingUp {
			t.Errorf("the node is %s: %s", self.State, self.Reason)
		}
		time.Sleep(3 * time.Second)
		if self := e.Cluster().Nodes[0]; self.State != engine.NodeStopped {
			t.Errorf("after a while the node is %s: %s", self.State, self.Reason)
		}
		log.missing.Store(0)
		time.Sleep(3 * time.Second)
		if err := e.Ready(); err != nil {
			t.Error(err)
		}
	})
}
