package cluster_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

// tryOpen opens a node, and closes the replica if that fails.
func tryOpen(t *testing.T, fs vfs.FS, count int, o cluster.Options) (*cluster.Engine, error) {
	t.Helper()
	of := func(channel string) int { return cluster.ShardOf(channel, count) }
	replica, err := pebble.OpenReplica("store", count, of, pebble.Options{FS: fs, Logger: quiet, MemTableBytes: 256 << 10, StallAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	o.Replica, o.Shards, o.Logger = replica, count, quiet
	e, err := cluster.Open(t.Context(), o)
	if err != nil {
		if err := replica.Close(); err != nil {
			t.Error(err)
		}
	}
	return e, err
}

// TestFound: nodes that found a cluster at the same time agree on its epoch, which remains.
func TestFound(t *testing.T) {
	t.Parallel()
	log := logtest.NewMemory(shards)
	var nodes [3]*cluster.Engine
	var disks [3]vfs.FS
	var opening sync.WaitGroup
	for i := range nodes {
		disks[i] = vfs.NewMem()
		opening.Go(func() { nodes[i] = openNode(t, log, disks[i], time.Hour) })
	}
	opening.Wait()
	if t.Failed() {
		return
	}
	epoch := nodes[0].Epoch()
	for _, n := range nodes {
		if n.Epoch() != epoch || epoch == "" {
			t.Errorf("epoch %q, another node has %q", n.Epoch(), epoch)
		}
		push(t, n, engine.Entry{Channel: "a", ID: "1", Idempotent: true}, engine.Entry{Channel: "b", ID: "1", Idempotent: true})
	}
	for _, n := range nodes {
		tick(t, n)
		if page := readAll(t, n, "a", 0); len(page.Records) != 1 {
			t.Errorf("%d records", len(page.Records))
		}
		closeNode(t, n)
	}
	again := openNode(t, log, disks[1], time.Hour)
	defer closeNode(t, again)
	if again.Epoch() != epoch {
		t.Errorf("epoch %q after a restart, it was %q", again.Epoch(), epoch)
	}
}

// TestForeign: what does not belong together is refused, and a cluster goes on.
func TestForeign(t *testing.T) {
	t.Parallel()
	log, other := logtest.NewMemory(shards), logtest.NewMemory(shards)
	stranger := vfs.NewMem()
	x := openWith(t, stranger, cluster.Options{Name: "c", Node: "x", Log: other})
	tick(t, x)
	closeNode(t, x)
	single := vfs.NewMem()
	s, err := pebble.Open("store", pebble.Options{FS: single, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	push(t, s, engine.Entry{Channel: "a", ID: "1"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: "a", Log: log})
	defer closeNode(t, n)
	tick(t, n)
	for name, c := range map[string]struct {
		fs    vfs.FS
		o     cluster.Options
		count int
		want  string
	}{
		"name":                {vfs.NewMem(), cluster.Options{Name: "d", Log: log}, shards, `belongs to the cluster "c", this node to "d"`},
		"name of the replica": {stranger, cluster.Options{Name: "d", Log: other}, shards, `belongs to the cluster "c", this node to "d"`},
		"shards":              {vfs.NewMem(), cluster.Options{Name: "c", Log: log}, shards - 1, "has 3 shards, this node is set to 2"},
		"data":                {single, cluster.Options{Name: "c", Log: log}, shards, "data of its own"},
	} {
		e, err := tryOpen(t, c.fs, c.count, c.o)
		if err == nil {
			closeNode(t, e)
		}
		if !errors.Is(err, cluster.ErrForeign) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}

	// The replica of another cluster, which it does not say itself.
	e, err := tryOpen(t, stranger, shards, cluster.Options{Name: "c", Node: "b", Log: log, Bus: &logtest.Bus{}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeNode(t, e)
	if err := e.Tick(t.Context()); !errors.Is(err, engine.ErrFailed) || !strings.Contains(err.Error(), "the log belongs to another cluster") {
		t.Errorf("the replica of another cluster: %v", err)
	}
	push(t, n, engine.Entry{Channel: "a", ID: "1"}, engine.Entry{Channel: "b", ID: "1"})
	tick(t, n)
	if err := n.Ready(); err != nil {
		t.Errorf("the node of the cluster: %v", err)
	}
}

// TestBeganWithData: a node that was a store of its own founds a cluster with its epoch. An
// empty node cannot join by reading the log.
func TestBeganWithData(t *testing.T) {
	t.Parallel()
	log, single := logtest.NewMemory(shards), vfs.NewMem()
	s, err := pebble.Open("store", pebble.Options{FS: single, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	push(t, s, engine.Entry{Channel: "a", ID: "1"})
	epoch := s.Epoch()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := openWith(t, single, cluster.Options{Name: "c", Node: "a", Log: log})
	defer closeNode(t, n)
	push(t, n, engine.Entry{Channel: "a", ID: "2"})
	if page := readAll(t, n, "a", 0); n.Epoch() != epoch || len(page.Records) != 2 {
		t.Errorf("epoch %s, want %s; %+v", n.Epoch(), epoch, page)
	}
	if e, err := tryOpen(t, vfs.NewMem(), shards, cluster.Options{Name: "c", Node: "b", Log: log}); !errors.Is(err, cluster.ErrTrimmed) {
		t.Errorf("an empty node joins: %v", err)
		if err == nil {
			closeNode(t, e)
		}
	}
}

// TestNameTaken: of two nodes with the same name the one that starts later does not run.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, bus, apart := logtest.NewMemory(shards), &logtest.Bus{}, &logtest.Bus{}
		const never = time.Hour // so that the log still reaches back to the beginning
		a := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: "a", Log: log, Bus: bus, FlushEvery: never})
		defer closeNode(t, a)
		if e, err := tryOpen(t, vfs.NewMem(), shards, cluster.Options{Name: "c", Node: "a", Log: log, Bus: bus}); !errors.Is(err, cluster.ErrNameTaken) {
			t.Errorf("a second node has the name: %v", err)
			if err == nil {
				closeNode(t, e)
			}
		}
		time.Sleep(time.Minute)
		// One that could not know, because the nodes did not reach each other.
		late := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: "a", Log: log, Bus: apart, FlushEvery: never})
		defer closeNode(t, late)
		time.Sleep(time.Minute)
		if err := errors.Join(a.Ready(), late.Ready()); err != nil {
			t.Error(err)
		}
		pass(t, bus, apart)
		if err := late.Ready(); !errors.Is(err, cluster.ErrNameTaken) || !errors.Is(err, engine.ErrFailed) {
			t.Errorf("the later node: %v", err)
		}
		if err := late.Tick(t.Context()); !errors.Is(err, engine.ErrFailed) {
			t.Errorf("the later node takes changes: %v", err)
		}
		if err := a.Ready(); err != nil {
			t.Errorf("the node that has the name: %v", err)
		}
	})
}

// pass passes on what nodes announced last on two buses.
func pass(t *testing.T, a, b *logtest.Bus) {
	t.Helper()
	var last [2][]byte
	for i, bus := range [...]*logtest.Bus{a, b} {
		stop, err := bus.Subscribe("node", func(data []byte) []byte {
			last[i] = slices.Clone(data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	was := last
	if err := errors.Join(a.Publish(t.Context(), "node", was[1]), b.Publish(t.Context(), "node", was[0])); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}
