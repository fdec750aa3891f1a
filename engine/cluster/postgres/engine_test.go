package postgres_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/cluster/postgres"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/internal/clock"
	"github.com/wirepost/wirepost/internal/pgtest"
)

const engineShards = 2

// clocked is a log whose entries have the time of a clock.
type clocked struct {
	*postgres.Log
	now func() time.Time
}

func (l clocked) Propose(ctx context.Context, shard int, data []byte) error {
	timed := binary.BigEndian.AppendUint64(nil, uint64(l.now().UnixMilli()))
	return l.Log.Propose(ctx, shard, append(timed, data...))
}

func (l clocked) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		for entry, err := range l.Log.Follow(ctx, shard, after) {
			if err == nil {
				entry.Time, entry.Data = int64(binary.BigEndian.Uint64(entry.Data)), entry.Data[8:]
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// openNode opens a node whose replica is in a file system.
func openNode(t testing.TB, log cluster.Log, bus engine.Bus, node string, fs vfs.FS, tick time.Duration) (*cluster.Engine, error) {
	t.Helper()
	of := func(channel string) int { return cluster.ShardOf(channel, engineShards) }
	replica, err := pebble.OpenReplica("store", engineShards, of, pebble.Options{
		FS: fs, Logger: quiet, MemTableBytes: 256 << 10, StallAfter: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := cluster.Open(t.Context(), cluster.Options{
		Log: log, Bus: bus, Node: node, Replica: replica, Shards: engineShards, Logger: quiet, Patience: time.Hour, TickEvery: tick,
	})
	if err != nil {
		replica.Close()
	}
	return e, err
}

// trio is three nodes, of which one is used and the others follow.
type trio struct {
	logtest.Ticked
	t      *testing.T
	fs     vfs.FS
	log    cluster.Log
	others []*cluster.Engine
}

// tick gives the replicas the time of the clock.
func (n *trio) tick(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	if err := n.Engine.Tick(ctx); err != nil && !errors.Is(err, engine.ErrClosed) {
		n.t.Error(err)
	}
}

func (n *trio) Reopen() error {
	err := n.Engine.Close()
	if err == nil {
		n.Engine, err = openNode(n.t, n.log, nil, "a", n.fs, time.Hour)
	}
	return err
}

// Close compares what all nodes have, the first one after it was started again.
func (n *trio) Close() error {
	err := n.Engine.Close()
	if err != nil || n.others == nil {
		return err
	}
	again, err := openNode(n.t, n.log, nil, "a", n.fs, time.Hour)
	if err != nil {
		return err
	}
	all := append(n.others, again)
	n.others = nil
	var want map[string]string
	var errs []error
	for _, e := range all { // so that all that has ended by now is swept in the log
		if err := e.Tick(context.Background()); err != nil {
			return err
		}
	}
	for i, e := range all {
		if err := e.Tick(context.Background()); err != nil { // after all that was answered
			return err
		}
		if got := contents(n.t, e); i == 0 {
			want = got
		} else if !maps.Equal(got, want) {
			for channel := range want {
				if got[channel] != want[channel] {
					n.t.Errorf("%s on node %d:\n%s\non the first one:\n%s", channel, i, got[channel], want[channel])
				}
			}
			n.t.Errorf("node %d has %d channels, the first one %d", i, len(got), len(want))
		}
	}
	for _, e := range all {
		errs = append(errs, e.Close())
	}
	return errors.Join(errs...)
}

// contents returns the records of all channels.
func contents(t testing.TB, e engine.Engine) map[string]string {
	t.Helper()
	ctx := context.Background()
	all := map[string]string{}
	channels, err := e.ListChannels(ctx, "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, channel := range channels {
		page, err := e.Read(ctx, channel, 0, 10_000, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(page)
		if err != nil {
			t.Fatal(err)
		}
		all[channel] = string(text)
	}
	return all
}

// TestEngine runs the conformance suite of engines with three nodes.
func TestEngine(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	enginetest.Run(t, func(t *testing.T, c *enginetest.Clock) engine.Engine {
		name, now := newName(), clock.New(clock.Source{Wall: c.Now, Elapsed: c.Elapsed}, time.Time{}, quiet).Now
		n := &trio{t: t, fs: vfs.NewMem()}
		n.Before = n.tick
		for _, node := range []string{"a", "b", "c"} {
			log, fs := clocked{open(t, s.URL("postgres"), name, engineShards).Log(), now}, n.fs
			if n.Engine != nil {
				fs = vfs.NewMem()
			}
			e, err := openNode(t, log, nil, node, fs, time.Hour)
			switch {
			case err != nil:
				t.Fatal(err)
			case n.Engine == nil:
				n.Engine, n.log = e, log
			default:
				n.others = append(n.others, e)
			}
		}
		return n
	})
}
