//go:build linux

package pebble_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble"
)

// manyVar names an environment variable that adds the benchmark on a million
// channels, which takes a while to set up.
const manyVar = "WIREPOST_BENCH_MANY"

// cpu is the processor time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func openBench(b *testing.B) *pebble.Engine {
	e, err := pebble.Open(b.TempDir(), pebble.Options{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	return e
}

// publish makes b.N appends of 256 bytes from so many publishers, each to the
// channel that channel names for its n-th append.
func publish(b *testing.B, e engine.Engine, publishers int, channel func(publisher, n int) string) {
	data := make([]byte, 256)
	limits := engine.Limits{MaxAge: 30 * 24 * time.Hour, MaxMessages: 100_000}
	var left atomic.Int64
	left.Store(int64(b.N))
	start, used := time.Now(), cpu()
	b.ResetTimer()
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			entries := make([]engine.Entry, 1)
			for n := 0; left.Add(-1) >= 0; n++ {
				entries[0] = engine.Entry{
					Channel: channel(p, n), ID: "0123456789abcdef", ContentType: "application/json", Data: data, Limits: limits,
				}
				if _, err := e.Append(context.Background(), entries); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	took := time.Since(start)
	b.ReportMetric(float64(b.N)/took.Seconds(), "appends/s")
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/append")
}

func BenchmarkAppend(b *testing.B) {
	for _, publishers := range []int{1, 64, 256, 1024} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) {
			names := make([]string, 1000)
			for i := range names {
				names[i] = fmt.Sprintf("user:%d", i)
			}
			publish(b, openBench(b), publishers, func(p, n int) string { return names[(p*7919+n*31)%len(names)] })
		})
	}
}

// BenchmarkCollapse is appends that each replace the message before.
func BenchmarkCollapse(b *testing.B) {
	e := openBench(b)
	data := make([]byte, 256)
	var left atomic.Int64
	left.Store(int64(b.N))
	used := cpu()
	b.ResetTimer()
	var wg sync.WaitGroup
	for p := range 256 {
		wg.Go(func() {
			entries := make([]engine.Entry, 1)
			for n := 0; left.Add(-1) >= 0; n++ {
				entries[0] = engine.Entry{Channel: fmt.Sprintf("user:%d", (p*7919+n*31)%1000), ID: "0123456789abcdef", Key: "k", Data: data}
				if _, err := e.Append(context.Background(), entries); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/append")
}

// BenchmarkChannels is BenchmarkAppend with 256 publishers, each append to any of
// so many known channels.
func BenchmarkChannels(b *testing.B) {
	sizes := []int{1_000, 100_000}
	if os.Getenv(manyVar) != "" {
		sizes = append(sizes, 1_000_000)
	}
	for _, channels := range sizes {
		e := openBench(b)
		names := make([]string, channels)
		var batch []engine.Entry
		for i := range names {
			names[i] = fmt.Sprintf("user:%d", i)
			batch = append(batch, engine.Entry{Channel: names[i], Data: []byte("first")})
			if len(batch) == 1000 {
				if _, err := e.Append(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		b.Run(fmt.Sprintf("known=%d", channels), func(b *testing.B) {
			publish(b, e, 256, func(p, n int) string {
				return names[(uint64(p)<<32+uint64(n))*0x9e3779b97f4a7c15%uint64(channels)]
			})
		})
	}
}

func BenchmarkRead(b *testing.B) {
	e := openBench(b)
	batch := make([]engine.Entry, 1000)
	for i := range batch {
		batch[i] = engine.Entry{Channel: "a", ID: "0123456789abcdef", ContentType: "application/json", Data: make([]byte, 256)}
	}
	for range 10 {
		if _, err := e.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	for name, read := range map[string]func(context.Context, string, uint64, int, int) (engine.Page, error){
		"after": e.Read, "before": e.ReadBefore,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := read(b.Context(), "a", 5000, 100, 1<<20)
				if err != nil || len(page.Records) != 100 {
					b.Fatal(len(page.Records), err)
				}
			}
		})
	}
}

// BenchmarkSync is what the disk gives: 16 KiB written and synced, as often as it
// goes.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(64 << 20); err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 16<<10)
	used := cpu()
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt(block, int64(i%4096)*int64(len(block))); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
}

// BenchmarkApply applies appends of 256 bytes to a replica, in batches: what a push costs
// every node of a cluster. Everything is flushed at the end.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 64, 512} {
		for _, channels := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("batch=%d/channels=%d", size, channels), func(b *testing.B) { applyAll(b, size, channels) })
		}
	}
}

func applyAll(b *testing.B, size, channels int) {
	r, err := pebble.OpenReplica(b.TempDir(), 1, func(string) int { return 0 }, pebble.Options{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // it is removed
	names := make([]string, channels)
	for i := range names {
		names[i] = fmt.Sprintf("user:%d", i)
	}
	entries := make([]engine.Entry, size)
	changes := make([]engine.Change, size)
	for i := range entries {
		entries[i] = engine.Entry{
			ContentType: "application/json", Data: make([]byte, 256),
			Limits: engine.Limits{MaxAge: 30 * 24 * time.Hour, MaxMessages: 100_000},
		}
		changes[i].Entry = &entries[i]
	}
	used, at := cpu(), uint64(0)
	b.ResetTimer()
	for done := 0; done < b.N; done += size {
		for i := range entries {
			entries[i].Channel, entries[i].ID = names[(done+i)*7919%channels], fmt.Sprintf("%016d", done+i)
		}
		at++
		batch := &engine.Batch{Position: at, Time: time.Now().UnixMilli(), Changes: changes}
		if _, err := r.Apply(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/float64(b.N), "cpu-µs/append")
}
