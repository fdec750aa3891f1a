package ws

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	for _, size := range []int{16, 64, 1024, 16 << 10} {
		b.Run(fmt.Sprint("whole/", size), func(b *testing.B) { benchmarkParse(b, size, 1<<20) })
	}
	b.Run("pieces/16384by1024", func(b *testing.B) { benchmarkParse(b, 16<<10, 1024) })
	b.Run("pieces/64by16", func(b *testing.B) { benchmarkParse(b, 64, 16) })
}

func benchmarkParse(b *testing.B, size, piece int) {
	frame := textFrame(strings.Repeat("x", size))
	scratch := make([]byte, len(frame))
	var p Parser
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		copy(scratch, frame) // parsing unmasks in place
		for rest := scratch; len(rest) > 0; {
			n := min(piece, len(rest))
			chunk := rest[:n]
			for {
				f, left, err := p.Next(chunk, Rules{MaxMessage: 1 << 20})
				if err != nil {
					b.Fatal(err)
				}
				if f.Op == opContinuation {
					break
				}
				chunk = left
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	payload := make([]byte, 256)
	dst := make([]byte, 0, 300)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFrame(dst[:0], OpText, payload)
	}
}

func BenchmarkAppendMasked(b *testing.B) {
	payload := make([]byte, 256)
	dst := make([]byte, 0, 300)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendMasked(dst[:0], OpText, payload)
	}
}
