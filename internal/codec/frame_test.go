package codec

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/feed"
)

func record(size int) *engine.Record {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"order":%d,"status":"shipped","price":%d},`, i*7919, i*31%997)
	}
	return &engine.Record{Seq: 2, Prev: 1, ID: "zs4t95casa32yt9h", ContentType: "text/plain", Data: []byte(b.String()[:size])}
}

// frame is the single frame of an item on a WebSocket.
func frame(m Mode, it *feed.Item, channel string, window int) []byte {
	return m.Codec().AppendMessage(nil, it, channel, window, nil)[0]
}

// TestCompressedOnce: every session gets the same bytes, so each frame was made once.
func TestCompressedOnce(t *testing.T) {
	t.Parallel()
	for _, m := range []Mode{Plain, V1} {
		it := &feed.Item{Record: record(1000)}
		var all sync.WaitGroup
		got := make([][2][]byte, 50)
		for i := range got {
			all.Go(func() {
				got[i] = [2][]byte{frame(m, it, "news", 15), frame(m, it, "news", 0)}
			})
		}
		all.Wait()
		for _, frames := range got {
			if &frames[0][0] != &got[0][0][0] || &frames[1][0] != &got[0][1][0] {
				t.Fatalf("%s: a frame was made twice", m.Codec().Name())
			}
		}
		if len(got[0][0]) >= len(got[0][1]) {
			t.Errorf("%s: %d bytes became %d", m.Codec().Name(), len(got[0][1]), len(got[0][0]))
		}
	}
}

// TestCompressedOnceForEachWindow: a message has one compressed frame per class, and a
// single one if it fits in all windows.
func TestCompressedOnceForEachWindow(t *testing.T) {
	t.Parallel()
	for _, m := range []Mode{Plain, V1} {
		for size, want := range map[int]int{100: 1, 300: 2, 3000: 3, 10_000: 4} {
			it := &feed.Item{Record: record(size)}
			var all sync.WaitGroup
			var mu sync.Mutex
			frames := map[*byte]bool{}
			for i := range 80 {
				all.Go(func() {
					f := frame(m, it, "news", 8+i%8)
					mu.Lock()
					defer mu.Unlock()
					frames[&f[0]] = true
				})
			}
			all.Wait()
			if len(frames) != want {
				t.Errorf("%s, %d bytes: %d frames, want %d", m.Codec().Name(), size, len(frames), want)
			}
		}
	}
}

// TestNotCompressed: a message that does not get smaller has one frame for all
// sessions.
func TestNotCompressed(t *testing.T) {
	t.Parallel()
	it := &feed.Item{Record: record(100)}
	if a, b := frame(Plain, it, "news", 15), frame(Plain, it, "news", 0); &a[0] != &b[0] {
		t.Error("a short message was compressed")
	}
}

// BenchmarkItemFrames measures making the frames of one message for a number of
// sessions.
func BenchmarkItemFrames(b *testing.B) {
	for _, size := range []int{128, 1 << 10, 16 << 10} {
		for _, sessions := range []int{1, 1000} {
			for _, window := range []int{0, 10, 15} {
				b.Run(fmt.Sprintf("size=%d/sessions=%d/window=%d", size, sessions, window), func(b *testing.B) {
					rec := record(size)
					bytes := 0
					b.ReportAllocs()
					for b.Loop() {
						it := &feed.Item{Record: rec}
						for range sessions {
							bytes = len(frame(V1, it, "news", window))
						}
					}
					b.ReportMetric(float64(bytes), "frame-B")
				})
			}
		}
	}
}
