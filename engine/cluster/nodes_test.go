package cluster_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

// openReplica opens a replica with small tables, whose disk may take any time.
func openReplica(t *testing.T, fs vfs.FS) *pebble.Replica {
	t.Helper()
	of := func(channel string) int { return cluster.ShardOf(channel, shards) }
	r, err := pebble.OpenReplica("store", shards, of, pebble.Options{
		FS: fs, Logger: quiet, MemTableBytes: 256 << 10, StallAfter: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// openWith opens a node with options, of which Replica and Shards are set here.
func openWith(t *testing.T, fs vfs.FS, o cluster.Options) *cluster.Engine {
	t.Helper()
	o.Replica, o.Shards = openReplica(t, fs), shards
	if o.Logger == nil {
		o.Logger = quiet
	}
	e, err := cluster.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func closeNode(t *testing.T, e *cluster.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func nodesOf(e *cluster.Engine) map[string]engine.Node {
	all := map[string]engine.Node{}
	for _, n := range e.Cluster().Nodes {
		all[n.Name] = n
	}
	return all
}

// TestNodes: nodes know each other's states.
func TestNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, bus := logtest.NewMemory(shards), &logtest.Bus{}
		open := func(name string) *cluster.Engine {
			return openWith(t, vfs.NewMem(), cluster.Options{
				Name: "c", Node: name, Log: log, Bus: bus, Version: "1", URL: "http://" + name,
			})
		}
		a, b := open("a"), open("b")
		defer closeNode(t, a)
		synctest.Wait()
		if n := nodesOf(b)["a"]; n.URL == "" || n.State == engine.NodeUnreachable {
			t.Errorf("b has started and knows %+v", n)
		}
		b.SetConnections(func() int { return 7 })
		time.Sleep(2 * time.Second)
		got := nodesOf(a)
		if n := got["b"]; len(got) != 2 || n.State != engine.NodeReady || n.Connections != 7 || n.Version != "1" ||
			n.URL != "http://b" || len(n.Positions) != shards || n.Positions[0] == 0 || n.Lag != 0 {
			t.Errorf("a knows %+v", got)
		}
		b.SetDraining(true)
		synctest.Wait()
		if n := nodesOf(a)["b"]; n.State != engine.NodeDraining || n.Reason == "" {
			t.Errorf("b drains, a knows %+v", n)
		}
		closeNode(t, b)
		if n := nodesOf(a)["b"]; n.State != engine.NodeStopped {
			t.Errorf("b was closed, a knows %+v", n)
		}
		time.Sleep(3 * time.Second)
		if n := nodesOf(a)["b"]; n.State != engine.NodeUnreachable || n.Connections != 0 {
			t.Errorf("b is silent, a knows %+v", n)
		}
	})
}

// TestForget: a member that is away stays listed until it is forgotten.
func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, bus, disk := logtest.NewMemory(shards), &logtest.Bus{}, vfs.NewMem()
		open := func(name string, fs vfs.FS) *cluster.Engine {
			return openWith(t, fs, cluster.Options{Name: "c", Node: name, Log: log, Bus: bus})
		}
		a, b := open("a", disk), open("b", vfs.NewMem())
		time.Sleep(2 * time.Second)
		if err := a.Forget(t.Context(), "b"); err == nil {
			t.Error("forgot a node that is alive")
		}
		if err := a.Forget(t.Context(), "x"); !errors.Is(err, engine.ErrUnknownNode) {
			t.Errorf("forgot a node that never was: %v", err)
		}
		closeNode(t, b)
		closeNode(t, a)
		a = open("a", disk)
		defer closeNode(t, a)
		tick(t, a)
		if n := nodesOf(a)["b"]; n.State != engine.NodeUnreachable || n.Reason == "" {
			t.Errorf("a member that never announced itself: %+v", n)
		}
		if err := a.Forget(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		if n, listed := nodesOf(a)["b"]; listed {
			t.Errorf("a member that was forgotten: %+v", n)
		}
	})
}

// TestForgetAtOnce: a node that has said that it is shut down can be forgotten before it is
// silent for long, and is forgotten on all nodes.
func TestForgetAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, bus := logtest.NewMemory(shards), &logtest.Bus{}
		open := func(name string) *cluster.Engine {
			return openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: name, Log: log, Bus: bus})
		}
		a, b, other := open("a"), open("b"), open("c")
		defer closeNode(t, a)
		defer closeNode(t, other)
		time.Sleep(2 * time.Second)
		closeNode(t, b)
		if n := nodesOf(other)["b"]; n.State != engine.NodeStopped {
			t.Errorf("shut down, and not forgotten: %+v", n)
		}
		if err := a.Forget(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			synctest.Wait()
			for _, e := range []*cluster.Engine{a, other} {
				if n, listed := nodesOf(e)["b"]; listed {
					t.Errorf("a member that was forgotten: %+v", n)
				}
			}
			time.Sleep(10 * time.Second)
		}
	})
}
