//go:build unix

package wirepost_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
)

// BenchmarkScheduled measures a server on disk with a number of pushes of 128 B that are
// scheduled for another day: what one costs, and what all of them do to the memory, to a start
// and to those that are due meanwhile: their lateness, and how long many take that are due at
// once. Run it with -benchtime 1x.
func BenchmarkScheduled(b *testing.B) {
	for _, number := range []int{0, 1_000_000} {
		b.Run(fmt.Sprint("scheduled=", number), func(b *testing.B) {
			for b.Loop() {
				scheduledLoad(b, number)
			}
		})
	}
}

func scheduledLoad(b *testing.B, number int) {
	dir := b.TempDir()
	open := func() *node {
		return makeNode(b, []func(*wirepost.Options){func(o *wirepost.Options) {
			e, err := pebble.Open(dir, pebble.Options{Logger: o.Logger})
			if err != nil {
				b.Fatal(err)
			}
			o.Engine = e
		}})
	}
	n := open()
	tomorrow := time.Now().Add(24 * time.Hour)
	if number > 0 {
		begun, used := time.Now(), cpu()
		n.scheduleMany(number, func(i int) time.Time { return tomorrow.Add(time.Duration(i*7919%number) * time.Millisecond) })
		b.ReportMetric(float64(time.Since(begun).Microseconds())/float64(number), "µs/scheduled")
		b.ReportMetric(float64((cpu()-used).Microseconds())/float64(number), "cpu-µs/scheduled")
	}
	n.stop()
	runtime.GC()
	begun := time.Now()
	n = open()
	defer n.stop()
	list, _, err := n.Scheduled(context.Background(), wirepost.ScheduledQuery{Limit: 10})
	if err != nil || len(list) != min(number, 10) {
		b.Fatalf("%d, %v", len(list), err)
	}
	b.ReportMetric(float64(time.Since(begun).Milliseconds()), "start-ms")
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.HeapAlloc)/1e6, "heap-MB")

	const each, spread = 5000, 5 * time.Second // due over some seconds
	first := time.Now().Add(2 * time.Second)
	due := func(i int) time.Time { return first.Add(time.Duration(i) * spread / each).Truncate(time.Millisecond) }
	late := n.awaitScheduled(b, "spread", each, due)
	slices.Sort(late)
	b.ReportMetric(float64(late[each/2].Milliseconds()), "late-p50-ms")
	b.ReportMetric(float64(late[each*999/1000].Milliseconds()), "late-p99.9-ms")

	const burst = 100_000 // due at once
	at := time.Now().Add(20 * time.Second).Truncate(time.Millisecond)
	late = n.awaitScheduled(b, "burst", burst, func(int) time.Time { return at })
	b.ReportMetric(float64(slices.Max(late).Milliseconds()), "burst-of-100k-ms")
}

// scheduleMany schedules pushes to a tenth as many inboxes.
func (n *node) scheduleMany(number int, at func(i int) time.Time) {
	n.t.Helper()
	data := []byte(`"` + strings.Repeat("x", 126) + `"`)
	for i := 0; i < number; {
		var batch []wirepost.Push
		for ; len(batch) < 1000 && i < number; i++ {
			batch = append(batch, wirepost.Push{To: fmt.Sprint("user:", i%(number/10)), Data: data, At: at(i)})
		}
		if _, err := n.PushAll(context.Background(), batch); err != nil {
			n.t.Fatal(err)
		}
	}
}

// awaitScheduled schedules pushes, waits until all are made, and returns how late each was.
func (n *node) awaitScheduled(b *testing.B, prefix string, number int, at func(i int) time.Time) (late []time.Duration) {
	const channels = 100
	before := n.Metrics().Scheduled.Pushed
	for i := 0; i < number; {
		var batch []wirepost.Push
		for ; len(batch) < 1000 && i < number; i++ {
			batch = append(batch, wirepost.Push{To: fmt.Sprint(prefix, i%channels), Data: []byte("1"), ID: fmt.Sprint(i), At: at(i)})
		}
		if _, err := n.PushAll(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	eventually(b, "all are pushed", func() bool { return n.Metrics().Scheduled.Pushed == before+uint64(number) })
	for c := range channels {
		for after := uint64(0); ; {
			list, next, err := n.Messages(context.Background(), fmt.Sprint(prefix, c), after, wirepost.MaxLimit)
			if err != nil {
				b.Fatal(err)
			}
			for _, m := range list {
				var i int
				fmt.Sscan(m.ID, &i) //nolint:errcheck // it is a number
				late = append(late, m.Time.Sub(at(i)))
			}
			if len(list) == 0 {
				break
			}
			after = next
		}
	}
	if len(late) != number {
		b.Fatalf("%d pushes of %d", len(late), number)
	}
	return late
}
