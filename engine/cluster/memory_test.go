package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/memory"
)

func openMemory(t *testing.T, log cluster.Log) (*cluster.Engine, engine.Engine) {
	t.Helper()
	n := openNode(t, log, vfs.NewMem(), time.Hour)
	t.Cleanup(func() { n.Close() })
	tick(t, n)
	return n, n.Memory()
}

func tick(t *testing.T, n *cluster.Engine) {
	t.Helper()
	if err := n.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func push(t *testing.T, e engine.Engine, entries ...engine.Entry) []engine.Result {
	t.Helper()
	results, err := e.Append(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return results
}

func readAll(t *testing.T, e engine.Engine, channel string, after uint64) engine.Page {
	t.Helper()
	page, err := e.Read(t.Context(), channel, after, 10000, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func boundsOf(t *testing.T, e engine.Engine, channel string) engine.Bounds {
	t.Helper()
	b, err := e.Bounds(t.Context(), channel)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMemoryShared: all nodes have the same records of memory-only channels, those that
// begin later, too, and sequences are greater than those of a node without a cluster.
func TestMemoryShared(t *testing.T) {
	t.Parallel()
	log := logtest.NewMemory(shards)
	before := uint64(time.Now().Add(-time.Minute).UnixMicro())
	n1, e1 := openMemory(t, log)
	n2, e2 := openMemory(t, log)
	var many []engine.Entry
	for i := range 3*memory.MaxEntries + 1 {
		many = append(many, engine.Entry{Channel: "a", ID: fmt.Sprint(i)})
	}
	push(t, e1, many...)
	push(t, e2, engine.Entry{Channel: "a", ID: "last", Idempotent: true})
	_, e3 := openMemory(t, log)
	if r := push(t, e3, engine.Entry{Channel: "a", ID: "last", Idempotent: true})[0]; !r.Duplicate {
		t.Error("an ID that another node has pushed is not known")
	}
	tick(t, n1)
	tick(t, n2)
	want := readAll(t, e1, "a", 0)
	if len(want.Records) != len(many)+1 || want.Lost || want.Records[0].Seq < before {
		t.Fatalf("%d records from %d, lost %v", len(want.Records), want.Records[0].Seq, want.Lost)
	}
	for i, e := range []engine.Engine{e2, e3} {
		got := readAll(t, e, "a", 0)
		if len(got.Records) != len(want.Records) || got.Lost {
			t.Fatalf("node %d has %d records, lost %v", i+2, len(got.Records), got.Lost)
		}
		for k, r := range got.Records {
			if w := want.Records[k]; r.Seq != w.Seq || r.Prev != w.Prev || r.ID != w.ID || r.Time != w.Time {
				t.Fatalf("node %d has %+v, want %+v", i+2, r, w)
			}
		}
	}
	if b := boundsOf(t, e3, "none"); b.Lost != b.Base || b.Head != b.Base || b.Base < before || b.Base >= want.Records[0].Seq {
		t.Errorf("bounds of a channel that was never written to: %+v", b)
	}
	if b := boundsOf(t, n1, "a"); b != (engine.Bounds{}) {
		t.Errorf("the durable channel of the same name: %+v", b)
	}
}

// watcher collects records.
type watcher chan *engine.Record

func (w watcher) Appended(records []*engine.Record) {
	for _, r := range records {
		w <- r
	}
}

// TestMemoryLost: a node that has missed entries of the log in memory says so, whether it
// began after they were removed, or the log was lost. It has the sequences of the others
// nevertheless.
func TestMemoryLost(t *testing.T) {
	t.Parallel()
	log := logtest.NewMemory(shards)
	n1, e1 := openMemory(t, log)
	first := push(t, e1, engine.Entry{Channel: "a", ID: "1"})[0]
	if err := log.Trim(t.Context(), shards, 1<<62); err != nil {
		t.Fatal(err)
	}
	_, e2 := openMemory(t, log)
	if page := readAll(t, e2, "a", first.Seq-1); !page.Lost || len(page.Records) != 0 {
		t.Errorf("after an earlier sequence: %+v", page)
	}
	if b := boundsOf(t, e2, "a"); b.Lost < first.Seq || b.Lost != b.Base {
		t.Errorf("bounds %+v, the lost message has %d", b, first.Seq)
	}
	if page := readAll(t, e2, "b", 0); page.Lost {
		t.Error("a reader from the beginning misses something in an empty channel")
	}
	w := make(watcher, 10)
	if _, err := e2.Watch(t.Context(), "a", w); err != nil {
		t.Fatal(err)
	}
	second := push(t, e1, engine.Entry{Channel: "a", ID: "2"})[0]
	if r := <-w; r.Seq != second.Seq || r.ID != "2" {
		t.Errorf("watched %+v, the other node has %+v", r, second)
	}

	log.Lose()
	third := push(t, e1, engine.Entry{Channel: "a", ID: "3"})[0]
	if third.Seq <= second.Seq {
		t.Errorf("sequence %d follows %d after the log was lost", third.Seq, second.Seq)
	}
	r := <-w
	if r.Seq != third.Seq || r.Prev <= second.Seq {
		t.Errorf("watched %+v, the other node has %+v", r, third)
	}
	tick(t, n1)
	for _, e := range []engine.Engine{e1, e2} {
		if page := readAll(t, e, "a", second.Seq); !page.Lost || len(page.Records) != 1 || page.Records[0].Seq != third.Seq {
			t.Errorf("after the log was lost: %+v", page)
		}
	}
}

// refusing is a log that does not have memory-only channels.
type refusing struct{ *logtest.Memory }

func (r refusing) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	if shard == shards {
		return 0, 0, errors.New("no log")
	}
	return r.Memory.Bounds(ctx, shard)
}

// TestMemoryUnknown: before it has reached the log, a node does not claim that nothing was
// lost.
func TestMemoryUnknown(t *testing.T) {
	t.Parallel()
	n := openNode(t, refusing{logtest.NewMemory(shards)}, vfs.NewMem(), time.Hour)
	defer n.Close()
	e := n.Memory()
	if _, err := e.Bounds(t.Context(), "a"); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("bounds: %v", err)
	}
	if _, err := e.Watch(t.Context(), "a", make(watcher)); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("watch: %v", err)
	}
	if err := n.Ready(); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("ready: %v", err)
	}
}
