package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

const clusterShards = 2

// chaos is three nodes over a log with faults, each with a disk that can lose power.
type chaos struct {
	t     *testing.T
	log   *logtest.Memory
	bus   logtest.Bus
	nodes [3]*chaosNode
	calm  atomic.Bool // there are no faults any more

	mu   sync.Mutex
	rnd  *rand.Rand        // guarded by mu
	seqs map[string]uint64 // of what was answered, by channel and ID; guarded by mu
}

type chaosNode struct {
	fs      *vfs.MemFS
	replica *pebble.Replica
	engine  atomic.Pointer[cluster.Engine]
}

func (c *chaos) number(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rnd.IntN(n)
}

// open opens a node, whose clock is some hours off. A calm one proposes nothing by itself.
func (c *chaos) open(i int, calm bool) {
	c.t.Helper()
	n := c.nodes[i]
	of := func(channel string) int { return cluster.ShardOf(channel, clusterShards) }
	r, err := pebble.OpenReplica("store", clusterShards, of, pebble.Options{
		FS: n.fs, Logger: slog.New(slog.DiscardHandler), MemTableBytes: 64 << 10, StallAfter: time.Hour, Channels: 3,
		Now: func() time.Time { return time.Now().Add(time.Duration(i-1) * time.Hour) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	o := cluster.Options{
		Name: "c", Node: fmt.Sprint("n", i), Log: c.log, Bus: &c.bus, Replica: r, Shards: clusterShards,
		Logger: slog.New(slog.DiscardHandler), FlushEvery: 200 * time.Millisecond, TickEvery: 300 * time.Millisecond,
	}
	if calm {
		o.FlushEvery, o.TickEvery = 1000*time.Hour, 1000*time.Hour
	}
	e, err := cluster.Open(c.t.Context(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	n.replica = r
	n.engine.Store(e)
}

// cut cuts the power of a node.
func (c *chaos) cut(i int) {
	n := c.nodes[i]
	c.mu.Lock()
	left := n.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(c.rnd.Uint64(), 0))})
	c.mu.Unlock()
	if err := n.engine.Load().Close(); err != nil {
		c.t.Error(err)
	}
	n.fs = left
}

// push pushes to a channel from which nothing is removed, until it is answered.
func (c *chaos) push(i int, channel, id string) {
	for {
		n := c.nodes[c.number(3)]
		results, err := n.engine.Load().Append(c.t.Context(), []engine.Entry{{Channel: channel, ID: id, Idempotent: true}})
		if err == nil && results[0].Err == nil {
			c.mu.Lock()
			c.seqs[channel+" "+id] = results[0].Seq
			c.mu.Unlock()
			return
		}
		if err == nil || !errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrClosed) {
			c.t.Errorf("push by %d: %+v, %v", i, results, err)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// once pushes without saying that the ID was chosen, so it must not be repeated.
func (c *chaos) once(i int, id string) {
	results, err := c.nodes[i].engine.Load().Append(c.t.Context(), []engine.Entry{{Channel: "once", ID: id}})
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seqs["once "+id] = results[0].Seq
	}
}

// change makes some other change, whatever comes of it.
func (c *chaos) change(i int) {
	e := c.nodes[i].engine.Load()
	channel, user := fmt.Sprintf("c%d%d", c.number(3), c.number(4)), fmt.Sprint(c.number(4))
	entry := engine.Entry{
		Channel: channel, ID: fmt.Sprint(c.number(20)), Idempotent: c.number(2) == 0, Data: make([]byte, c.number(300)),
		TTL: time.Duration(c.number(3)) * time.Hour, Limits: engine.Limits{MaxMessages: c.number(8)},
	}
	switch c.number(8) {
	case 0:
		e.Trim(c.t.Context(), channel, uint64(c.number(20))) //nolint:errcheck // it may fail
		return
	case 1:
		entry.Revokes = uint64(1 + c.number(20))
	case 2, 3:
		entry.Key = fmt.Sprint(c.number(3))
	case 4, 5:
		e.Save(c.t.Context(), []engine.Update{{ //nolint:errcheck // it may fail
			User: user, Join: []string{channel}, Marks: []engine.Mark{{Channel: channel, Read: uint64(c.number(20))}},
			Devices: []engine.Device{{Name: fmt.Sprint(c.number(2)), Cursors: []engine.Cursor{{Channel: channel, Seq: uint64(c.number(20))}}}},
		}}, false)
		return
	case 6:
		e.Save(c.t.Context(), []engine.Update{{User: user, Leave: []string{channel}}}, false) //nolint:errcheck // it may fail
		return
	}
	e.Append(c.t.Context(), []engine.Entry{entry}) //nolint:errcheck // it may fail
}

// fault loses, repeats and fails proposals.
func (c *chaos) fault(int, []byte) (lose, again bool, err error) {
	if c.calm.Load() {
		return false, false, nil
	}
	switch c.number(8) {
	case 0:
		return true, false, context.DeadlineExceeded
	case 1:
		return false, false, context.DeadlineExceeded
	case 2:
		return false, true, context.DeadlineExceeded
	}
	return false, c.number(5) == 0, nil
}

// TestClusterChaos: whatever happens to proposals, power and clocks, all replicas have the
// same, and what was answered is there once.
func TestClusterChaos(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { runChaos(t, seed) })
		})
	}
}

func runChaos(t *testing.T, seed uint64) {
	c := &chaos{t: t, log: logtest.NewMemory(clusterShards), rnd: rand.New(rand.NewPCG(seed, 1)), seqs: map[string]uint64{}}
	c.log.Fault = c.fault
	c.log.Now = func() time.Time { return time.Now().Add(time.Duration(c.number(3)-1) * time.Hour) }
	for i := range c.nodes {
		c.nodes[i] = &chaosNode{fs: vfs.NewCrashableMem()}
		c.open(i, false)
	}
	const rounds, pushes = 6, 12
	for round := range rounds {
		var pushing sync.WaitGroup
		for i := range c.nodes {
			pushing.Go(func() {
				for k := range pushes {
					c.push(i, fmt.Sprint("kept", k%3), fmt.Sprint(round, i, k))
					c.once(i, fmt.Sprint(round, i, k))
					c.change(i)
				}
			})
		}
		time.Sleep(time.Duration(c.number(2000)) * time.Millisecond)
		victim := c.number(3)
		c.cut(victim)
		time.Sleep(time.Duration(c.number(2000)) * time.Millisecond)
		c.open(victim, false)
		pushing.Wait()
		time.Sleep(time.Duration(c.number(20)) * time.Second) // which trims the log
	}
	c.compare()
}

// compare compares the replicas where all have applied the same.
func (c *chaos) compare() {
	t := c.t
	c.calm.Store(true)
	for i, n := range c.nodes {
		if err := n.engine.Load().Close(); err != nil {
			t.Error(err)
		}
		if i == 2 {
			for i := range c.nodes {
				c.open(i, true)
			}
		}
	}
	time.Sleep(time.Minute)
	first, _, err := c.log.Bounds(t.Context(), 0)
	if err != nil || first < 5 {
		t.Errorf("the log begins at %d, %v: nothing was trimmed", first, err)
	}
	a := c.nodes[0].replica
	for i, n := range c.nodes {
		if err := n.engine.Load().Ready(); err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
		pebble.CompareReplicas(t, a, n.replica)
		for shard := range clusterShards {
			position, at, note := a.Applied(shard)
			if p, ms, other := n.replica.Applied(shard); p != position || ms != at || !cmp.Equal(note, other) {
				t.Errorf("shard %d: node %d is at %d, %d, node 0 at %d, %d", shard, i, p, ms, position, at)
			}
		}
		c.answered(n.engine.Load())
	}
	for _, n := range c.nodes {
		if err := n.engine.Load().Close(); err != nil {
			t.Error(err)
		}
	}
}

// answered checks that what was answered is there, once, where the answer says.
func (c *chaos) answered(e *cluster.Engine) {
	found := map[string]uint64{}
	for _, channel := range []string{"kept0", "kept1", "kept2", "once"} {
		page, err := e.Read(c.t.Context(), channel, 0, 10_000, 1<<30)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, r := range page.Records {
			if found[channel+" "+r.ID] != 0 {
				c.t.Errorf("%s is in %s twice", r.ID, channel)
			}
			if channel != "once" || c.seqs[channel+" "+r.ID] != 0 { // it may be there although that was not answered
				found[channel+" "+r.ID] = r.Seq
			}
		}
	}
	if diff := cmp.Diff(c.seqs, found); diff != "" {
		c.t.Errorf("what was answered (-) and what is there (+):\n%s", diff)
	}
}
