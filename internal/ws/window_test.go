package ws

import (
	"strings"
	"testing"
)

func checkWindow(tb testing.TB, data string, bits int) (size int) {
	tb.Helper()
	frame := serverText(data)
	small := DeflateFrame(frame, DeflateClass(frame, bits))
	if small[0] != finBit|rsv1|OpText {
		if string(small) != string(frame) {
			tb.Errorf("%d bits: an uncompressed frame was changed", bits)
		}
		return len(small)
	}
	got, err := inflateWithin(FramePayload(small), 1<<bits)
	if err != nil || string(got) != data {
		tb.Errorf("%d bits, %d bytes: got %d and %v", bits, len(data), len(got), err)
	}
	return len(small)
}

// TestDeflateWindow: with each window a message refers no further back than that, and
// if it has no longer references, it is the same for all windows.
func TestDeflateWindow(t *testing.T) {
	t.Parallel()
	for bits := minWindow; bits <= maxWindow; bits++ {
		for _, n := range []int{minDeflate, 257, 1000, 1024, 1025, 4096, 5000, 32768, 70_000, 300_000} {
			size := checkWindow(t, sample(n), bits)
			if n >= 1000 && size > n*7/10 {
				t.Errorf("%d bits: %d bytes of JSON became %d", bits, n, size)
			}
			for _, distance := range []int{1, 1<<bits - 1, 1 << bits, 1<<bits + 1, 1 << maxWindow} {
				checkWindow(t, apart(distance, n), bits)
			}
		}
		frame := serverText(sample(1 << bits))
		if class := DeflateClass(frame, bits); class != 0 {
			t.Errorf("%d bits: a frame that fits in the window is of class %d", bits, class)
		}
	}
}

// FuzzDeflateWindow does the same with arbitrary messages.
func FuzzDeflateWindow(f *testing.F) {
	f.Add([]byte(sample(3000)), byte(8), 1)
	f.Add([]byte(noise(500)), byte(9), 5)
	f.Add([]byte(apart(1<<8, 2000)), byte(8), 2)
	f.Add([]byte(apart(1<<10+1, 5000)), byte(10), 20)
	f.Fuzz(func(t *testing.T, data []byte, bits byte, times int) {
		times = min(max(times, 1), 1+20_000/(len(data)+1))
		checkWindow(t, strings.Repeat(string(data), times), minWindow+int(bits)%(maxWindow-minWindow+1))
	})
}
