package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// BenchmarkPin pins and unpins one of so many idle channels.
func BenchmarkPin(b *testing.B) {
	for _, channels := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("idle=%d", channels), func(b *testing.B) {
			const keep = 1_000_000
			t := newChannels(keep/unpackedShare, keep-keep/unpackedShare)
			names := make([]string, channels)
			for i := range names {
				names[i] = fmt.Sprintf("user:%d", i)
				s := t.PinLocked(names[i])
				s.V, s.loaded = Channel{Head: format.Head{Seq: 300, Live: 300, Time: 20000 * format.Day, Latest: 20030 * format.Day, Sweep: 20031 * format.Day}}, true
				t.UnpinLocked(s)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				t.UnpinLocked(t.PinLocked(names[rand.IntN(channels)]))
			}
		})
	}
}
