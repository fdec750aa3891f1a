package cluster_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

const (
	benchInboxes = 10_000
	benchBatch   = 64
)

func openBench(tb testing.TB, log cluster.Log) *cluster.Engine {
	tb.Helper()
	of := func(string) int { return 0 }
	r, err := pebble.OpenReplica(tb.TempDir(), 1, of, pebble.Options{Logger: quiet, StallAfter: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	e, err := cluster.Open(tb.Context(), cluster.Options{
		Name: "c", Node: "a", Log: log, Replica: r, Shards: 1, Logger: quiet, TickEvery: time.Hour, FlushEvery: time.Hour,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func benchEntries(i int) []engine.Entry {
	data := make([]byte, 256)
	entries := make([]engine.Entry, benchBatch)
	for k := range entries {
		entries[k] = engine.Entry{Channel: fmt.Sprintf("user:%d", (i*benchBatch+k)*7%benchInboxes), ID: fmt.Sprintf("%08d-%d", i, k), Data: data}
	}
	return entries
}

// processorTime returns what this process has used.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkFollow measures what a push costs a node that only applies it: without a session
// of the user. An operation is one push of 256 B, in batches of 64.
func BenchmarkFollow(b *testing.B) {
	log := logtest.NewMemory(1)
	other := openBench(b, log)
	for i := range (b.N + benchBatch - 1) / benchBatch {
		if _, err := other.Append(b.Context(), benchEntries(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := other.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	e := openBench(b, log)
	if err := e.Tick(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
	b.StopTimer()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppend measures a push from its proposal until it is answered, with 256 in
// flight over a log in memory.
func BenchmarkAppend(b *testing.B) {
	e := openBench(b, logtest.NewMemory(1))
	work := make(chan int)
	var pushing sync.WaitGroup
	b.ReportAllocs()
	for range 256 {
		pushing.Go(func() {
			data := make([]byte, 256)
			for i := range work {
				entry := engine.Entry{Channel: fmt.Sprintf("user:%d", i*7%benchInboxes), ID: fmt.Sprint(i), Data: data}
				if _, err := e.Append(b.Context(), []engine.Entry{entry}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for i := range b.N {
		work <- i
	}
	close(work)
	pushing.Wait()
	b.StopTimer()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
