package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// lostLog has two nodes at different positions of shard 1, whose log ends before both.
type lostLog struct {
	log     *logtest.Memory
	links   [3]logtest.Link
	nodes   [3]*cluster.Engine
	disks   [3]vfs.FS
	bus     logtest.Bus
	channel string
}

func (l *lostLog) options(i int) cluster.Options {
	return cluster.Options{
		Name: "c", Node: string(rune('a' + i)), Log: l.links[i].Log(l.log), Bus: l.links[i].Bus(&l.bus), FlushEvery: time.Hour,
	}
}

func (l *lostLog) open(t *testing.T, i int) {
	t.Helper()
	l.disks[i] = vfs.NewMem()
	l.nodes[i] = openWith(t, l.disks[i], l.options(i))
	t.Cleanup(func() { closeNode(t, l.nodes[i]) })
}

// loseLog makes a cluster whose node a has applied more than is in the log. The others have
// not, and do not reach the log, as does a with cut.
func loseLog(t *testing.T, cut bool) *lostLog {
	l := &lostLog{log: logtest.NewMemory(shards), channel: channelOf(1)}
	for i := range l.nodes {
		l.open(t, i)
	}
	push(t, l.nodes[0], engine.Entry{Channel: l.channel, ID: "1"})
	time.Sleep(time.Second)
	l.links[1].Cut(true, true)
	l.links[2].Cut(true, true)
	_, last, err := l.log.Bounds(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	push(t, l.nodes[0], engine.Entry{Channel: l.channel, ID: "2"})
	l.links[0].Cut(cut, cut)
	l.log.Cut(1, last)
	if cut {
		return l
	}
	time.Sleep(10 * time.Second)
	if err := l.nodes[0].Ready(); err == nil || !strings.Contains(err.Error(), "the log lost acknowledged batches: replica a has them up to") {
		t.Errorf("the node that has them: %v", err)
	}
	return l
}

// TestLost: a log that ends before what a replica has is noticed by all nodes, and repaired
// from there. The others see that they need a snapshot.
func TestLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := loseLog(t, false)
		a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
		l.links[1].Cut(false, false)
		l.links[2].Cut(false, false)
		time.Sleep(10 * time.Second)
		for _, n := range l.nodes {
			err := n.Ready()
			if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "the log lost acknowledged batches") {
				t.Errorf("node %s: %v", n.Node(), err)
			}
			if _, err := n.Append(t.Context(), []engine.Entry{{Channel: l.channel, ID: "no"}}); !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("node %s takes changes: %v", n.Node(), err)
			}
			push(t, n, engine.Entry{Channel: channelOf(0)}) // another shard
		}
		if _, err := b.Repair(t.Context(), false); err == nil || !strings.Contains(err.Error(), "repair it at node a, which has most") {
			t.Errorf("repaired from a node that has less: %v", err)
		}
		if repaired, err := a.Repair(t.Context(), false); err != nil || !slices.Equal(repaired, []int{1}) {
			t.Fatal(repaired, err)
		}
		if repaired, err := a.Repair(t.Context(), false); err != nil || len(repaired) > 0 {
			t.Errorf("repaired again: %v, %v", repaired, err)
		}
		push(t, a, engine.Entry{Channel: l.channel, ID: "3"})
		time.Sleep(5 * time.Second)
		if got := idsOf(t, a, l.channel); got != "123" {
			t.Errorf("a has %s", got)
		}
		if err := a.Ready(); err != nil {
			t.Error(err)
		}
		for _, n := range []*cluster.Engine{b, c} {
			err := n.Ready()
			if snapshot := errors.Is(err, cluster.ErrTrimmed) || errors.Is(err, cluster.ErrForked); !snapshot || !errors.Is(err, engine.ErrFailed) {
				t.Errorf("node %s: %v", n.Node(), err)
			}
		}
	})
}

func idsOf(t *testing.T, e engine.Engine, channel string) (ids string) {
	t.Helper()
	for _, r := range readAll(t, e, channel, 0).Records {
		ids += r.ID
	}
	return ids
}

// TestFork: a log that lost batches and went on with others before the replica that has
// them noticed. That replica must not go on. The others do, and are not disturbed.
func TestFork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := loseLog(t, true)
		a, b := l.nodes[0], l.nodes[1]
		l.links[1].Cut(false, false)
		time.Sleep(time.Minute) // the log of b goes on
		push(t, b, engine.Entry{Channel: l.channel, ID: "x"})
		l.links[0].Cut(false, false)
		l.links[2].Cut(false, false)
		time.Sleep(10 * time.Second)
		if err := a.Ready(); err == nil || !strings.Contains(err.Error(), "the log lost acknowledged batches: replica a has them up to") {
			t.Errorf("the replica with another history: %v", err)
		}
		if _, err := a.Repair(t.Context(), false); err == nil || !strings.Contains(err.Error(), "repair it at node b") && !strings.Contains(err.Error(), "repair it at node c") {
			t.Errorf("repaired from the node that has less: %v", err)
		}
		if err := b.Ready(); err != nil {
			t.Errorf("the other one: %v", err)
		}
		if got := idsOf(t, b, l.channel); got != "1x" {
			t.Errorf("it has %s", got)
		}
		if got := idsOf(t, a, l.channel); got != "12" {
			t.Errorf("the one with another history has %s", got)
		}
	})
}

// TestAbandon: when the replica that has most is gone for good, the others can go on
// without it. It notices that when it is back.
func TestAbandon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := loseLog(t, false)
		a, b := l.nodes[0], l.nodes[1]
		l.links[1].Cut(false, false)
		l.links[2].Cut(false, false)
		time.Sleep(10 * time.Second)
		l.links[0].Cut(true, true)
		time.Sleep(5 * time.Second)
		if _, err := b.Repair(t.Context(), false); err == nil {
			t.Error("repaired although a silent node has more")
		}
		c := l.nodes[2]
		if b.Cluster().Nodes[1].Positions[1] < b.Cluster().Nodes[2].Positions[1] {
			b, c = c, b
		}
		if _, err := b.Repair(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		push(t, b, engine.Entry{Channel: l.channel, ID: "3"})
		if got := idsOf(t, b, l.channel); got != "13" {
			t.Errorf("b has %s", got)
		}
		time.Sleep(3 * time.Second)
		if err := c.Ready(); err != nil {
			t.Errorf("another node that had no more: %v", err)
		}
		l.links[0].Cut(false, false)
		time.Sleep(5 * time.Second)
		if err := a.Ready(); !errors.Is(err, cluster.ErrForked) || !errors.Is(err, engine.ErrFailed) {
			t.Errorf("the node that was given up: %v", err)
		}
		if err := b.Ready(); err != nil {
			t.Error(err)
		}
	})
}
