package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// openLinked opens three nodes, each with a link to the log and the bus.
func openLinked(t *testing.T) (nodes [3]*cluster.Engine, links *[3]logtest.Link) {
	t.Helper()
	log, bus := logtest.NewMemory(shards), &logtest.Bus{}
	links = new([3]logtest.Link)
	for i := range nodes {
		nodes[i] = openWith(t, vfs.NewMem(), cluster.Options{
			Name: "c", Node: string(rune('a' + i)), Log: links[i].Log(log), Bus: links[i].Bus(bus),
		})
		t.Cleanup(func() { closeNode(t, nodes[i]) })
	}
	time.Sleep(3 * time.Second)
	return nodes, links
}

// TestIsolated: a node that is cut off refuses changes soon, and says so. The others go on.
// Nothing is stored twice.
func TestIsolated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes, links := openLinked(t)
		a, b := nodes[0], nodes[1]
		var told, back atomic.Int32
		a.WatchIsolation(func(isolated bool) {
			if isolated {
				told.Add(1)
			} else {
				back.Add(1)
			}
		})
		append1 := func() (time.Duration, error) {
			began := time.Now()
			_, err := a.Append(t.Context(), []engine.Entry{{Channel: "c", ID: "1", Idempotent: true}})
			return time.Since(began), err
		}
		links[0].Cut(true, true)
		if took, err := append1(); !errors.Is(err, engine.ErrUnavailable) || took > 5*time.Second {
			t.Errorf("a push right after the cut: %v after %s", err, took)
		}
		if took, err := append1(); !errors.Is(err, engine.ErrUnavailable) || took > 0 {
			t.Errorf("a later push: %v after %s", err, took)
		}
		if n := nodesOf(a)["a"]; n.State != engine.NodeIsolated || a.Ready() == nil {
			t.Errorf("%+v, ready: %v", n, a.Ready())
		}
		push(t, b, engine.Entry{Channel: "c", ID: "1", Idempotent: true})
		if n := nodesOf(b)["a"]; n.State != engine.NodeUnreachable {
			t.Errorf("the others see %+v", n)
		}
		if told.Load() != 0 {
			t.Error("told of the isolation at once")
		}
		time.Sleep(15 * time.Second)
		if n := told.Load(); n != 1 {
			t.Errorf("told of the isolation %d times", n)
		}
		if back.Load() != 0 {
			t.Error("told of its end before")
		}
		if err := errors.Join(b.Ready(), nodes[2].Ready()); err != nil {
			t.Error(err)
		}
		links[0].Cut(false, false)
		time.Sleep(3 * time.Second)
		if err := a.Ready(); err != nil {
			t.Errorf("after the cut: %v", err)
		}
		if n := back.Load(); n != 1 {
			t.Errorf("told of the end %d times", n)
		}
		push(t, a, engine.Entry{Channel: "c", ID: "2"})
		tick(t, b)
		for _, n := range []*cluster.Engine{a, b} {
			if got := idsOf(t, n, "c"); got != "12" {
				t.Errorf("%s has %s", n.Node(), got)
			}
		}
	})
}

// staleLog is a log whose leader is in the process of the node, and does not know yet that
// it is alone: it says what it has, and takes nothing.
type staleLog struct {
	cluster.Log
	stale atomic.Bool
}

func (l *staleLog) Propose(ctx context.Context, shard int, data []byte) error {
	if !l.stale.Load() {
		return l.Log.Propose(ctx, shard, data)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestIsolatedLeader: a node that is cut off stays isolated although the leader of the log
// was there, and the leader still says what the log has.
func TestIsolatedLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, bus := logtest.NewMemory(shards), &logtest.Bus{}
		led := &staleLog{Log: log}
		a := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: "a", Log: led, Bus: bus})
		defer closeNode(t, a)
		var link logtest.Link
		b := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: "b", Log: link.Log(log), Bus: link.Bus(bus)})
		defer closeNode(t, b)
		var told atomic.Int32
		a.WatchIsolation(func(bool) { told.Add(1) })
		time.Sleep(3 * time.Second)
		led.stale.Store(true)
		link.Cut(true, true)
		time.Sleep(5 * time.Second)
		for range 100 {
			if n := nodesOf(a)["a"]; n.State != engine.NodeIsolated {
				t.Fatalf("it is %+v", n)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := told.Load(); n != 1 {
			t.Errorf("told of the isolation %d times", n)
		}
		led.stale.Store(false)
		link.Cut(false, false)
		time.Sleep(3 * time.Second)
		if err := errors.Join(a.Ready(), b.Ready()); err != nil {
			t.Errorf("after the cut: %v", err)
		}
	})
}

// TestNoLeader: while the nodes reach each other, but the log takes nothing, changes wait,
// each for the patience of the node. Later ones do not wait any more.
func TestNoLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes, links := openLinked(t)
		cut := func(cut bool) {
			for i := range links {
				links[i].Cut(cut, false)
			}
		}
		cut(true)
		var pushing sync.WaitGroup
		for i, n := range nodes {
			for k := range 5 {
				pushing.Go(func() { push(t, n, engine.Entry{Channel: "c", ID: fmt.Sprint(i, k)}) })
			}
			if err := n.Ready(); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(8 * time.Second)
		cut(false)
		pushing.Wait()
		for _, n := range nodes {
			tick(t, n)
			if page := readAll(t, n, "c", 0); len(page.Records) != 15 {
				t.Errorf("%d records", len(page.Records))
			}
		}

		cut(true)
		began := time.Now()
		_, err := nodes[0].Append(t.Context(), []engine.Entry{{Channel: "c"}})
		if took := time.Since(began); !errors.Is(err, engine.ErrUnavailable) || took < 9*time.Second || took > 12*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		time.Sleep(2 * time.Second)
		began = time.Now()
		if _, err = nodes[0].Append(t.Context(), []engine.Entry{{Channel: "c"}}); !errors.Is(err, engine.ErrUnavailable) || time.Since(began) > 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		cut(false)
		time.Sleep(3 * time.Second)
		for _, n := range nodes {
			push(t, n, engine.Entry{Channel: "c"})
			if err := n.Ready(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestCatchUp: a node that has caught up has everything that others have appended, and one that
// does not reach the log does not catch up.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes, links := openLinked(t)
		a, b := nodes[0], nodes[1]
		appended := func() uint64 {
			results, err := b.Append(t.Context(), []engine.Entry{{Channel: "c"}})
			if err != nil {
				t.Fatal(err)
			}
			return results[0].Seq
		}
		check := func(channel string, want uint64) {
			t.Helper()
			if err := a.CatchUp(t.Context(), channel); err != nil {
				t.Fatal(err)
			}
			if bounds, err := a.Bounds(t.Context(), "c"); err != nil || bounds.Head != want {
				t.Errorf("the head is %d, %v, want %d", bounds.Head, err, want)
			}
		}
		for range 100 {
			check("c", appended())
			check("", appended())
		}
		links[0].Cut(true, false)
		head := appended()
		if err := a.CatchUp(t.Context(), "c"); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("while the log is out of reach: %v", err)
		}
		links[0].Cut(false, false)
		time.Sleep(10 * time.Second)
		check("c", head)
		if users, err := a.ListUsers(t.Context(), "", "", 10); err != nil || len(users) > 0 {
			t.Errorf("it made the users %v, %v", users, err)
		}
	})
}
