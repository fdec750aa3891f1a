//go:build unix

package jetstream_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/jetstream"
)

// BenchmarkPropose measures the time until an entry is acknowledged by three servers in this
// process, and followed by a node at each of them, with some entries in flight.
func BenchmarkPropose(b *testing.B) {
	c, err := newTrio(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer c.closeAll()
	if err := c.startAll(); err != nil {
		b.Fatal(err)
	}
	logs := 0
	for _, size := range []int{256, 64 * 256, 512 * 256} {
		for _, inFlight := range []int{1, 3} {
			b.Run(fmt.Sprintf("bytes=%d/inflight=%d", size, inFlight), func(b *testing.B) {
				var nodes [3]*jetstream.Log
				logs++
				for i := range nodes {
					nodes[i] = c.open(b, i, fmt.Sprint("bench", logs), 1)
				}
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				var followed [3]atomic.Int64
				for i, l := range nodes {
					go func() {
						for _, err := range l.Follow(ctx, 0, 0) {
							if err != nil {
								return
							}
							followed[i].Add(1)
						}
					}()
				}
				data := make([]byte, size)
				b.ResetTimer()
				start, cpu := time.Now(), processCPU()
				var turn atomic.Int64
				done := make(chan error, inFlight)
				for p := range inFlight {
					go func() {
						for turn.Add(1) <= int64(b.N) {
							if err := nodes[p].Propose(b.Context(), 0, data); err != nil {
								done <- err
								return
							}
						}
						done <- nil
					}()
				}
				for range inFlight {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
				for i := range followed {
					for followed[i].Load() < int64(b.N) {
						time.Sleep(time.Millisecond)
					}
				}
				batch := float64(size) / 256
				b.ReportMetric(float64(b.N)*batch/time.Since(start).Seconds(), "entries/s")
				b.ReportMetric(float64((processCPU()-cpu).Microseconds())/float64(b.N)/batch, "cpu-µs/entry")
			})
		}
	}
}

// processCPU returns the CPU time of this process.
func processCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
