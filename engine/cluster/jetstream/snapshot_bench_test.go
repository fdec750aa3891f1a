package jetstream_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
	"github.com/wirepost/wirepost/engine/pebble"
)

// BenchmarkSnapshot has a node fetch the store of another one, over NATS and disks, while
// that one takes pushes. It reports how long a push takes before and meanwhile.
// INBOXES is the number of inboxes in the store, with a message of 256 bytes each, and RATE
// the bytes a second that the node sends.
func BenchmarkSnapshot(b *testing.B) {
	inboxes, rate := setting("INBOXES", 100_000), setting("RATE", 0)
	var fetched atomic.Int64
	dir := b.TempDir()
	c, err := newTrio(filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	if err := c.startAll(); err != nil {
		b.Fatal(err)
	}
	defer c.closeAll()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	a := filepath.Join(dir, "a")
	fill(b, a, inboxes)
	if err := pebble.InitReplica(a, benchShards, pebble.Options{Logger: logger}); err != nil {
		b.Fatal(err)
	}
	join := func(i int, dir string) *cluster.Engine {
		nc, err := c.servers[i].Connect()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(nc.Close)
		log, err := jetstream.Open(b.Context(), nc, jetstream.Options{Name: "snapshots", Shards: benchShards, Replicas: 3, Logger: logger})
		if err != nil {
			b.Fatal(err)
		}
		of := func(channel string) int { return cluster.ShardOf(channel, benchShards) }
		e, err := cluster.Join(b.Context(), pebble.NewDirectory(dir, benchShards, of, pebble.Options{Logger: logger}), cluster.Options{
			Name: "snapshots", Node: fmt.Sprint("n", i), Log: log, Bus: jetstream.NewBus(nc, "snapshots"), Shards: benchShards, Logger: logger, SnapshotRate: rate,
		}, func(p cluster.Progress) { fetched.Store(p.Total) })
		if err != nil {
			b.Fatal(err)
		}
		return e
	}
	source := join(0, a)
	defer source.Close()
	before := pushFor(b, source, inboxes, pause(20*time.Second))
	done := make(chan struct{})
	var meanwhile []time.Duration
	var pushing sync.WaitGroup
	pushing.Go(func() { meanwhile = pushFor(b, source, inboxes, done) })
	began := time.Now()
	target := join(1, filepath.Join(dir, "b"))
	took := time.Since(began)
	close(done)
	pushing.Wait()
	defer target.Close()
	b.ReportMetric(took.Seconds(), "s")
	b.ReportMetric(float64(fetched.Load())/(1<<20), "MiB")
	for name, all := range map[string][]time.Duration{"before": before, "meanwhile": meanwhile} {
		slices.Sort(all)
		for _, p := range []int{50, 99} {
			b.ReportMetric(float64(all[len(all)*p/100].Microseconds())/1000, fmt.Sprintf("ms-p%d-%s", p, name))
		}
		b.ReportMetric(float64(len(all)), "pushes-"+name)
	}
	b.ReportMetric(0, "ns/op")
}

const benchShards = 4

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func pause(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(d, func() { close(done) })
	return done
}

// fill makes a store with a message in each inbox.
func fill(b *testing.B, dir string, inboxes int) {
	b.Helper()
	e, err := pebble.Open(dir, pebble.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	noise := rand.NewChaCha8([32]byte{1})
	for at := 0; at < inboxes; {
		var entries []engine.Entry
		for ; at < inboxes && len(entries) < 5000; at++ {
			data := make([]byte, 256)
			noise.Read(data) //nolint:errcheck // it never fails
			entries = append(entries, engine.Entry{Channel: fmt.Sprint("user:", at), ID: fmt.Sprint(at), Data: data})
		}
		if _, err := e.Append(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// pushFor makes 400 pushes a second, whether or not those before are answered, and returns
// how long each took.
func pushFor(b *testing.B, e engine.Engine, inboxes int, done <-chan struct{}) (all []time.Duration) {
	var mu sync.Mutex
	var pushing sync.WaitGroup
	ticker := time.NewTicker(time.Second / 400)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-done:
			pushing.Wait()
			return all
		}
		pushing.Go(func() {
			began := time.Now()
			entry := engine.Entry{Channel: fmt.Sprint("user:", rand.IntN(inboxes)), ID: "x", Data: make([]byte, 256)}
			results, err := e.Append(context.Background(), []engine.Entry{entry})
			if err != nil || results[0].Err != nil {
				b.Error(results, err)
			}
			mu.Lock()
			all = append(all, time.Since(began))
			mu.Unlock()
		})
	}
}
