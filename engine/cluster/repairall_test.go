package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
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

// wiped has three nodes, whose log was emptied while they were down. Each has the batches of
// a shard up to a position of its own, and has noticed that.
type wiped struct {
	log     *logtest.Memory
	bus     logtest.Bus
	links   [3]logtest.Link
	disks   [3]*vfs.MemFS
	nodes   [3]*cluster.Engine
	members atomic.Int32 // nodes that run
}

func (w *wiped) options(i int) cluster.Options {
	return cluster.Options{
		Name: "c", Node: string(rune('a' + i)), Log: w.links[i].Log(w.log), Bus: w.links[i].Bus(&w.bus), FlushEvery: time.Hour,
		TickEvery: 10 * time.Hour,
	}
}

// ran keeps count of the nodes that run.
func (w *wiped) ran(t *testing.T, i int, n *cluster.Engine) {
	w.nodes[i] = n
	go func() {
		select {
		case <-n.Halted():
			w.members.Add(-1)
		case <-t.Context().Done():
		}
	}()
}

func (w *wiped) open(t *testing.T, i int) {
	t.Helper()
	w.members.Add(1)
	w.ran(t, i, openWith(t, w.disks[i], w.options(i)))
}

// upTo is a log of which a node sees every shard up to a position only.
type upTo struct {
	cluster.Log
	position [shards]atomic.Uint64 // 0: all
}

func (l *upTo) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		for entry, err := range l.Log.Follow(ctx, shard, after) {
			if err == nil && shard < shards {
				if last := l.position[shard].Load(); last > 0 && entry.Position > last {
					<-ctx.Done()
					entry, err = cluster.Entry{}, context.Cause(ctx)
				}
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// wipe makes a cluster, and loses its log. More says how many batches more than others each
// node has of each shard.
func wipe(t *testing.T, more [3][shards]int) *wiped {
	w := &wiped{log: logtest.NewMemory(shards)}
	var logs [3]upTo
	for i := range w.nodes {
		w.disks[i] = vfs.NewCrashableMem()
		logs[i].Log = w.log
		o := w.options(i)
		o.Log = &logs[i]
		w.nodes[i] = openWith(t, w.disks[i], o)
	}
	for s := range shards {
		push(t, w.nodes[0], engine.Entry{Channel: channelOf(s), ID: "0"})
	}
	time.Sleep(5 * time.Second)
	for s := range shards {
		at, _, _ := w.nodes[0].Applied(s)
		for i := range w.nodes {
			logs[i].position[s].Store(at + uint64(more[i][s]))
		}
		most := slices.MaxFunc([]int{0, 1, 2}, func(i, j int) int { return more[i][s] - more[j][s] })
		for n := range more[most][s] {
			push(t, w.nodes[most], engine.Entry{Channel: channelOf(s), ID: fmt.Sprint(n + 1)})
		}
	}
	for _, n := range w.nodes {
		closeNode(t, n)
	}
	for s := range shards {
		w.log.Empty(s)
	}
	// As with an embedded log, a majority of the nodes is needed.
	w.log.Fault = func(int, []byte) (lose, again bool, err error) { return w.members.Load() < 2, false, nil }
	for i := range w.nodes {
		w.open(t, i)
		t.Cleanup(func() { closeNode(t, w.nodes[i]) })
	}
	time.Sleep(10 * time.Second)
	for _, n := range w.nodes {
		if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "the log lost acknowledged batches") {
			t.Fatalf("node %s: %v", n.Node(), err)
		}
	}
	return w
}

// repair repairs the log at a node, within the time that a server allows.
func repair(t *testing.T, n *cluster.Engine, abandon bool) ([]int, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	return n.Repair(ctx, abandon)
}

// restart starts a node again, as a supervisor does.
func (w *wiped) restart(t *testing.T, i int) {
	t.Helper()
	closeNode(t, w.nodes[i])
	w.members.Add(1) // its server runs before it joins
	o := w.options(i)
	o.Shards, o.Logger = shards, quiet
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	n, err := cluster.Join(ctx, storeOf(w.disks[i]), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.ran(t, i, n)
}

// agree checks what all nodes have in each shard.
func (w *wiped) agree(t *testing.T, want [shards]string) {
	t.Helper()
	for _, n := range w.nodes {
		if err := n.Ready(); err != nil {
			t.Errorf("node %s: %v", n.Node(), err)
		}
		for s := range shards {
			if got := idsOf(t, n, channelOf(s)); got != want[s] {
				t.Errorf("node %s has %s of shard %d, want %s", n.Node(), got, s, want[s])
			}
		}
	}
}

// TestRepairAll: when the whole log is lost, one call repairs all shards. Nodes that are left
// behind remain until then: an embedded log needs them.
func TestRepairAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wipe(t, [3][shards]int{{2, 2, 2}, {1, 0, 0}, {0, 0, 1}})
		for i, n := range w.nodes[1:] {
			_, err := repair(t, n, i == 0)
			if err == nil || !strings.Contains(err.Error(), "repair it at node a, which has most of all shards") {
				t.Errorf("at node %s: %v", n.Node(), err)
			}
		}
		repaired, err := repair(t, w.nodes[0], false)
		if err != nil || !slices.Equal(repaired, []int{0, 1, 2}) {
			t.Fatal(repaired, err)
		}
		time.Sleep(10 * time.Second)
		if n := w.members.Load(); n != 1 {
			t.Errorf("%d nodes run", n)
		}
		w.restart(t, 1)
		w.restart(t, 2)
		time.Sleep(10 * time.Second)
		w.agree(t, [shards]string{"012", "012", "012"})
	})
}

// TestRepairApart: if no node has most of all shards, nothing is given up unless that is
// wanted, and then the least.
func TestRepairApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wipe(t, [3][shards]int{{2, 0, 0}, {0, 1, 0}, {0, 0, 0}})
		for i, want := range []string{
			"node b has batches of shard 1 up to", "no node has most of all shards, and least is lost at node a", "least is lost at node a",
		} {
			_, err := repair(t, w.nodes[i], i > 0)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("at node %s: %v", w.nodes[i].Node(), err)
			}
		}
		for s := range shards {
			if first, last, err := w.log.Bounds(t.Context(), s); err != nil || first != 1 || last != 0 {
				t.Errorf("the log of shard %d was changed: %d to %d, %v", s, first, last, err)
			}
		}
		if repaired, err := repair(t, w.nodes[0], true); err != nil || !slices.Equal(repaired, []int{0, 1, 2}) {
			t.Fatal(repaired, err)
		}
		time.Sleep(10 * time.Second)
		w.restart(t, 1)
		w.restart(t, 2)
		time.Sleep(10 * time.Second)
		w.agree(t, [shards]string{"012", "0", "0"})
	})
}

// TestRepairUnknown: what a member has that is not there is not given up without being said.
func TestRepairUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wipe(t, [3][shards]int{{1, 1, 1}})
		closeNode(t, w.nodes[0])
		closeNode(t, w.nodes[1])
		w.open(t, 1) // it has never heard of node a
		time.Sleep(20 * time.Second)
		if _, err := repair(t, w.nodes[1], false); err == nil || !strings.Contains(err.Error(), "it is not known what node a has") {
			t.Error(err)
		}
		w.open(t, 0)
		time.Sleep(20 * time.Second)
		if _, err := repair(t, w.nodes[1], true); err == nil || !strings.Contains(err.Error(), "repair it at node a") {
			t.Error(err)
		}
		if repaired, err := repair(t, w.nodes[0], false); err != nil || len(repaired) != shards {
			t.Fatal(repaired, err)
		}
	})
}

// TestRepairTogether: of two nodes that have the same, one at a time repairs the log.
func TestRepairTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := wipe(t, [3][shards]int{})
		var errs [2]error
		done := make(chan int)
		for i := range errs {
			go func() {
				_, errs[i] = repair(t, w.nodes[i], false)
				done <- i
			}()
		}
		<-done
		<-done
		if errs[0] == nil && errs[1] == nil {
			t.Error("both have repaired it")
		}
		time.Sleep(5 * time.Second)
		if _, err := repair(t, w.nodes[0], false); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		w.agree(t, [shards]string{"0", "0", "0"})
	})
}

// TestRepairInterrupted: a repair that ended in the middle is completed by another one.
func TestRepairInterrupted(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(n int) bool{
		"the first genesis":  func(n int) bool { return n == 1 },
		"the second genesis": func(n int) bool { return n == 2 },
		"no genesis":         func(int) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := wipe(t, [3][shards]int{{1, 1, 1}})
				// The log is emptied, and gets only some of the batches before the node ends.
				var proposals atomic.Int32
				w.log.Fault = func(int, []byte) (bool, bool, error) {
					return lose(int(proposals.Add(1))), false, nil
				}
				repaired := make(chan error)
				go func() {
					_, err := repair(t, w.nodes[0], false)
					repaired <- err
				}()
				for proposals.Load() < shards {
					time.Sleep(100 * time.Millisecond)
				}
				w.disks[0] = w.disks[0].CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
				w.links[0].Cut(true, true)
				w.log.Fault = nil
				closeNode(t, w.nodes[0])
				if err := <-repaired; !errors.Is(err, engine.ErrClosed) {
					t.Errorf("the one that was interrupted: %v", err)
				}
				w.links[0].Cut(false, false)
				w.open(t, 0)
				time.Sleep(20 * time.Second)
				if _, err := repair(t, w.nodes[1], false); err == nil {
					t.Error("another node has repaired it")
				}
				if n := w.members.Load(); n < 2 {
					t.Errorf("%d nodes run", n)
				}
				if _, err := repair(t, w.nodes[0], false); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Second)
				w.restart(t, 1)
				w.restart(t, 2)
				time.Sleep(10 * time.Second)
				w.agree(t, [shards]string{"01", "01", "01"})
			})
		})
	}
}

// TestFoundBesideData: an empty node does not found the cluster again when the log was
// lost, in whatever order the nodes start.
func TestFoundBesideData(t *testing.T) {
	t.Parallel()
	for name, nodes := range map[string]int{"number of nodes is known": 3, "number of nodes is not known": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := wipe(t, [3][shards]int{})
				for i := range 3 {
					closeNode(t, w.nodes[i])
				}
				o := w.options(2)
				o.Node, o.Nodes, o.Shards, o.Logger = "new", nodes, shards, quiet
				joined := make(chan *cluster.Engine)
				go func() {
					n, err := cluster.Join(t.Context(), storeOf(vfs.NewMem()), o, nil)
					if err != nil {
						t.Error(err)
					}
					joined <- n
				}()
				if nodes > 0 {
					time.Sleep(time.Hour)
				}
				w.members.Store(0)
				w.open(t, 0)
				w.open(t, 1)
				time.Sleep(time.Minute)
				for s := range shards {
					if _, last, err := w.log.Bounds(t.Context(), s); err != nil || last > 0 {
						t.Errorf("shard %d was founded again: it ends at %d, %v", s, last, err)
					}
				}
				w.open(t, 2)
				time.Sleep(time.Minute)
				if repaired, err := repair(t, w.nodes[0], false); err != nil || len(repaired) != shards {
					t.Fatal(repaired, err)
				}
				n := <-joined
				defer closeNode(t, n)
				time.Sleep(5 * time.Second)
				if got := idsOf(t, n, channelOf(1)); got != "0" {
					t.Errorf("the new node has %q", got)
				}
			})
		})
	}
}

// TestFoundTogether: empty nodes found a cluster once all are there.
func TestFoundTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, bus := logtest.NewMemory(shards), &logtest.Bus{}
		joined := make(chan *cluster.Engine)
		start := func(node string, joinOnly bool) {
			go func() {
				n, err := cluster.Join(t.Context(), storeOf(vfs.NewMem()), cluster.Options{
					Name: "c", Node: node, Nodes: 3, JoinOnly: joinOnly, Log: log, Bus: bus, Shards: shards, Logger: quiet,
				}, nil)
				if err != nil {
					t.Error(err)
				}
				joined <- n
			}()
		}
		start("a", false)
		start("b", true)
		time.Sleep(time.Minute)
		if _, last, err := log.Bounds(t.Context(), 0); err != nil || last > 0 {
			t.Errorf("two of three nodes have founded the cluster: %d, %v", last, err)
		}
		start("c", true)
		for range 3 {
			defer closeNode(t, <-joined)
		}
	})
}
