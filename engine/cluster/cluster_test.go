package cluster_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/internal/clock"
)

const shards = 3

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func openNode(t *testing.T, log cluster.Log, fs vfs.FS, tick time.Duration) *cluster.Engine {
	t.Helper()
	of := func(channel string) int { return cluster.ShardOf(channel, shards) }
	replica, err := pebble.OpenReplica("store", shards, of, pebble.Options{
		FS: fs, Logger: quiet, MemTableBytes: 256 << 10, StallAfter: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := cluster.Open(t.Context(), cluster.Options{
		Log: log, Replica: replica, Shards: shards, Logger: quiet, Patience: time.Hour, TickEvery: tick,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ticked is a node that can be opened again.
type ticked struct {
	logtest.Ticked
	log *logtest.Memory
	fs  vfs.FS
	t   *testing.T
	at  atomic.Pointer[time.Time] // the time of the last tick
}

func (n *ticked) tick(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	now := n.log.Now()
	if at := n.at.Load(); at != nil && at.Equal(now) {
		return // all shards have this time already
	}
	switch err := n.Engine.Tick(ctx); err {
	case nil:
		n.at.Store(&now)
	case engine.ErrClosed:
	default:
		n.t.Error(err)
	}
}

func (n *ticked) Reopen() error {
	if err := n.Close(); err != nil {
		return err
	}
	n.Engine = openNode(n.t, n.log, n.fs, time.Hour)
	n.at.Store(nil)
	return nil
}

func TestEngine(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, func(t *testing.T, c *enginetest.Clock) engine.Engine {
		log := logtest.NewMemory(shards)
		log.Now = clock.New(clock.Source{Wall: c.Now, Elapsed: c.Elapsed}, time.Time{}, quiet).Now
		fs := vfs.NewMem()
		n := &ticked{log: log, fs: fs, t: t}
		n.Ticked = logtest.Ticked{Engine: openNode(t, log, fs, time.Hour), Before: n.tick}
		return n
	})
}

// TestLostAnswers: whatever happens to proposals and their answers, every change is made
// once, and all nodes have the same.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	log := logtest.NewMemory(shards)
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(1, 2))
	log.Fault = func(int, []byte) (lose, again bool, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch rnd.IntN(6) {
		case 0:
			return true, false, nil
		case 1:
			return false, false, context.DeadlineExceeded
		case 2:
			return false, true, context.DeadlineExceeded
		}
		return false, rnd.IntN(4) == 0, nil
	}
	const nodes, pushers, pushes = 3, 4, 25
	var all []*cluster.Engine
	for range nodes {
		all = append(all, openNode(t, log, vfs.NewMem(), time.Hour))
	}
	var running sync.WaitGroup
	for i, n := range all {
		for p := range pushers {
			running.Go(func() {
				for k := range pushes {
					channel := fmt.Sprint("c", k%5)
					got, err := n.Append(t.Context(), []engine.Entry{{Channel: channel, ID: fmt.Sprint(i, p, k)}})
					if err != nil || got[0].Err != nil {
						t.Error(got, err)
						return
					}
					page, err := n.Read(t.Context(), channel, got[0].Seq-1, 1, 1000)
					if err != nil || len(page.Records) != 1 || page.Records[0].ID != fmt.Sprint(i, p, k) {
						t.Errorf("what was answered is not there: %+v, %v", page, err)
					}
				}
			})
		}
	}
	running.Wait()
	want := nodes * pushers * pushes
	for i, n := range all {
		// Its own proposal is after all those that were answered.
		if err := n.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := 0
		for k := range 5 {
			count, err := n.Count(t.Context(), fmt.Sprint("c", k), 0)
			if err != nil {
				t.Fatal(err)
			}
			got += count
		}
		if got != want {
			t.Errorf("node %d has %d messages, want %d", i, got, want)
		}
	}
	for _, n := range all {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}
