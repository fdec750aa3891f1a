package cluster_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// deposed is a log of which the leader of shard 1 is cut off from the others while end is
// set: the shard ends there, and takes nothing. The leader learns of that after outdated.
type deposed struct {
	cluster.Log
	outdated time.Duration
	end      atomic.Uint64 // 0: it is not cut off
}

func (l *deposed) Outdated() time.Duration { return l.outdated }

func (l *deposed) Propose(ctx context.Context, shard int, data []byte) error {
	if shard == 1 && l.end.Load() > 0 {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return l.Log.Propose(ctx, shard, data)
}

func (l *deposed) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	first, last, err = l.Log.Bounds(ctx, shard)
	if end := l.end.Load(); shard == 1 && end > 0 {
		last = min(last, end)
	}
	return first, last, err
}

func (l *deposed) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		for entry, err := range l.Log.Follow(ctx, shard, after) {
			if end := l.end.Load(); shard == 1 && end > 0 && entry.Position > end {
				<-ctx.Done()
				yield(cluster.Entry{}, context.Cause(ctx))
				return
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// TestDeposedLeader: a node whose log is a leader that was cut off hears from the others what
// they have applied. It says that entries were lost only after the time in which such a leader
// learns that there is another one.
func TestDeposedLeader(t *testing.T) {
	t.Parallel()
	const outdated = 20 * time.Second
	for _, after := range []time.Duration{outdated - time.Second, outdated + 10*time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log, bus := logtest.NewMemory(shards), new(logtest.Bus)
				o := cluster.Options{Name: "c", Node: "a", Log: log, Bus: bus, FlushEvery: time.Hour}
				a := openWith(t, vfs.NewMem(), o)
				defer closeNode(t, a)
				stale := &deposed{Log: log, outdated: outdated}
				o.Node, o.Log = "b", stale
				b := openWith(t, vfs.NewMem(), o)
				defer closeNode(t, b)
				channel := channelOf(1)
				push(t, a, engine.Entry{Channel: channel, ID: "1"})
				time.Sleep(2 * time.Second)
				_, last, err := log.Bounds(t.Context(), 1)
				if err != nil {
					t.Fatal(err)
				}
				stale.end.Store(last)
				push(t, a, engine.Entry{Channel: channel, ID: "2"})
				time.Sleep(after)
				err = b.Ready()
				if lost := err != nil && strings.Contains(err.Error(), "the log lost acknowledged batches"); lost != (after > outdated) {
					t.Errorf("after %s: %v", after, err)
				}
				if !errors.Is(err, engine.ErrUnavailable) {
					t.Errorf("it is ready although its log takes nothing: %v", err)
				}
				stale.end.Store(0)
				time.Sleep(10 * time.Second)
				if err := b.Ready(); err != nil {
					t.Errorf("the leader has stepped down: %v", err)
				}
				push(t, b, engine.Entry{Channel: channel, ID: "3"})
				if got := idsOf(t, b, channel); got != "123" {
					t.Errorf("it has %s", got)
				}
			})
		})
	}
}
