package cluster_test

import (
	"context"
	"errors"
	"fmt"
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

// failing is a replica that does not apply batches while it has an error.
type failing struct {
	engine.Replica
	err atomic.Pointer[error]
}

func (r *failing) Apply(ctx context.Context, b *engine.Batch) ([]engine.Result, error) {
	if err := r.err.Load(); err != nil && len(b.Changes) > 0 {
		return nil, *err
	}
	return r.Replica.Apply(ctx, b)
}

func openFailing(t *testing.T, fs vfs.FS, o cluster.Options) (*cluster.Engine, *failing) {
	t.Helper()
	f := &failing{Replica: openReplica(t, fs)}
	o.Replica, o.Shards, o.Logger = f, shards, quiet
	e, err := cluster.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e, f
}

// channelOf returns a channel of a shard.
func channelOf(shard int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint("c", i); cluster.ShardOf(name, shards) == shard {
			return name
		}
	}
}

// TestStop: a replica that cannot apply a batch stops, and goes on with that batch later.
// The others do not notice.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		passes bool // the replica goes on by itself
	}{
		"full disk": {engine.ErrFull, true},
		"damage":    {engine.ErrDamaged, false},
		"failure":   {engine.ErrFailed, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log, disk := logtest.NewMemory(shards), vfs.NewMem()
				o := cluster.Options{Name: "c", Node: "a", Log: log, TickEvery: time.Hour, FlushEvery: time.Hour}
				a, b := openWith(t, vfs.NewMem(), o), (*cluster.Engine)(nil)
				defer closeNode(t, a)
				o.Node = "b"
				b, f := openFailing(t, disk, o)
				defer func() { closeNode(t, b) }()
				channel := channelOf(1)
				push(t, a, engine.Entry{Channel: channel, ID: "1"})
				tick(t, b)
				f.err.Store(&c.err)
				push(t, a, engine.Entry{Channel: channel, ID: "2"})
				synctest.Wait()
				if err := b.Ready(); !errors.Is(err, c.err) {
					t.Errorf("ready: %v", err)
				}
				if n := nodesOf(b)["b"]; n.State != engine.NodeStopped || !strings.Contains(n.Reason, c.err.Error()) {
					t.Errorf("%+v", n)
				}
				began := time.Now()
				if _, err := b.Append(t.Context(), []engine.Entry{{Channel: channel}}); !errors.Is(err, engine.ErrUnavailable) || time.Since(began) > 0 {
					t.Errorf("a push: %v after %s", err, time.Since(began))
				}
				select {
				case <-b.Halted():
					if c.passes {
						t.Error("halted although it may go on")
					}
				default:
					if !c.passes {
						t.Error("not halted")
					}
				}
				push(t, a, engine.Entry{Channel: channel, ID: "3"})
				f.err.Store(nil)
				if !c.passes {
					closeNode(t, b)
					b = openWith(t, disk, o)
				}
				time.Sleep(2 * time.Second)
				if err := b.Ready(); err != nil {
					t.Errorf("ready afterwards: %v", err)
				}
				push(t, b, engine.Entry{Channel: channel, ID: "4"})
				tick(t, a)
				for name, e := range map[string]engine.Engine{"a": a, "b": b} {
					page := readAll(t, e, channel, 0)
					got := ""
					for _, r := range page.Records {
						got += r.ID
					}
					if got != "1234" {
						t.Errorf("%s has %s", name, got)
					}
				}
			})
		})
	}
}

// TestUnknownOperation: a node that is older than another one stops at what it does not
// know, and says so.
func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := logtest.NewMemory(shards)
		a := openWith(t, vfs.NewMem(), cluster.Options{Name: "c", Node: "a", Log: log})
		defer closeNode(t, a)
		tick(t, a)
		if err := log.Propose(t.Context(), 1, a.Unknown()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := a.Ready(); !errors.Is(err, engine.ErrFailed) || !strings.Contains(err.Error(), "this node must be upgraded first") {
			t.Errorf("ready: %v", err)
		}
	})
}

// programs returns the disks of nodes a and b of a cluster, and what opens a node on its disk
// with a program that knows operations up to a level.
func programs(t *testing.T) (disks map[string]vfs.FS, open func(name string, level int) *cluster.Engine) {
	log := logtest.NewMemory(shards)
	disks = map[string]vfs.FS{"a": vfs.NewMem(), "b": vfs.NewMem()}
	return disks, func(name string, level int) *cluster.Engine {
		o := cluster.Options{Name: "c", Node: name, Log: log}
		cluster.SetLevel(&o, level)
		return openWith(t, disks[name], o)
	}
}

// TestTracesOfOlderNodes: while a member does not know trace contexts, they are dropped, and
// what has them is stored.
func TestTracesOfOlderNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, open := programs(t)
		a, b := open("a", 4), open("b", 5)
		defer func() { closeNode(t, a); closeNode(t, b) }()
		time.Sleep(time.Second)
		append := func(want string) {
			t.Helper()
			rs, err := b.Append(t.Context(), []engine.Entry{{Channel: "news", ID: "1", Trace: "trace"}})
			if err != nil || rs[0].Err != nil {
				t.Fatalf("%v, %v", rs, err)
			}
			time.Sleep(time.Second)
			for name, e := range map[string]*cluster.Engine{"a": a, "b": b} {
				page, err := e.Read(t.Context(), "news", rs[0].Prev, 10, 1000)
				if err != nil || len(page.Records) != 1 || page.Records[0].Trace != want {
					t.Errorf("%s has %+v, %v, want the trace %q", name, page.Records, err, want)
				}
			}
		}
		append("")
		closeNode(t, a)
		a = open("a", 5)
		time.Sleep(time.Second)
		append("trace")
	})
}

// TestLevels: an operation is proposed only when all members know it.
func TestLevels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disks, open := programs(t)
		a, b := open("a", 1), open("b", 2)
		defer func() { closeNode(t, a); closeNode(t, b) }()
		time.Sleep(time.Second)
		if err := b.TickLevel(0, 2); !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "until node a, which has level 1, is upgraded") {
			t.Errorf("a is not upgraded: %v", err)
		}
		if err := a.TickLevel(0, 2); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("by the older one: %v", err)
		}
		closeNode(t, a)
		if err := b.TickLevel(0, 2); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("a is away: %v", err)
		}
		a = open("a", 2)
		time.Sleep(time.Second)
		if err := b.TickLevel(0, 2); err != nil {
			t.Errorf("all are upgraded: %v", err)
		}
		tick(t, a)
		closeNode(t, a)
		a = open("a", 1) // and back
		time.Sleep(time.Second)
		if err := a.Ready(); err != nil {
			t.Errorf("an older node that has applied everything: %v", err)
		}
		closeNode(t, a)
		disks["a"] = vfs.NewMem()
		if err := b.TickLevel(0, 2); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("a is back at level 1: %v", err)
		}
		a = open("a", 1)
		time.Sleep(time.Second)
		if err := a.Ready(); !errors.Is(err, engine.ErrFailed) || !strings.Contains(err.Error(), "needs level 2, this program has level 1") {
			t.Errorf("an older node reads what it does not know: %v", err)
		}
	})
}
