package ws

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"

	other "github.com/klauspost/compress/flate"
)

// referenceInflate decompresses with another, simpler implementation, and returns a
// close code if the message is invalid.
func referenceInflate(message []byte, maxMessage int) ([]byte, int) {
	if len(message) == 0 {
		return nil, 0
	}
	in := bytes.NewReader([]byte(string(message) + "\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
	var out []byte
	for in.Len() > 0 {
		more, err := io.ReadAll(other.NewReader(in))
		out = append(out, more...)
		switch {
		case len(out) > maxMessage:
			return nil, 1009
		case err != nil:
			return nil, 1007
		}
	}
	return out, 0
}

func TestDeflateFrame(t *testing.T) {
	t.Parallel()
	for _, n := range []int{minDeflate, 300, 1024, 4096, 32767, 32768, 65535, 65536, 70_000, 200_000, 1 << 20} {
		for _, op := range []byte{OpText, OpBinary} {
			want := sample(n)
			frame := AppendFrame(nil, op, []byte(want))
			small := DeflateFrame(frame, 0)
			if len(small) >= len(frame)*7/10 || small[0] != finBit|rsv1|op {
				t.Fatalf("%d bytes: a frame %#x of %d", n, small[0], len(small))
			}
			got, code := referenceInflate(FramePayload(small), n)
			if code != 0 || string(got) != want {
				t.Fatalf("%d bytes: got %d and code %d", n, len(got), code)
			}
			if string(FramePayload(frame)) != want {
				t.Fatal("the plain frame was changed")
			}
		}
	}
}

// TestDeflateFrameNot: a frame that does not get smaller is returned unchanged.
func TestDeflateFrameNot(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string][]byte{
		"short":   serverText(strings.Repeat("x", minDeflate-1)),
		"empty":   serverText(""),
		"ping":    AppendPing(nil, []byte(strings.Repeat("x", maxControl))),
		"noise":   serverText(noise(1000)),
		"noisy":   serverText(noise(100_000)),
		"noisier": serverText(noise(minDeflate)),
	} {
		if got := DeflateFrame(frame, 0); &got[0] != &frame[0] {
			t.Errorf("%s: %d bytes became %d", name, len(frame), len(got))
		}
	}
}

// TestDeflateFrameShared: the result does not alias a pooled buffer.
func TestDeflateFrameShared(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			want := sample(1000 + i)
			for range 50 {
				small := DeflateFrame(serverText(want), 0)
				DeflateFrame(serverText(sample(2000)), 0)
				if got, code := referenceInflate(FramePayload(small), 5000); code != 0 || string(got) != want {
					t.Errorf("got %q and %d", got, code)
				}
			}
		})
	}
	all.Wait()
}

// TestDeflateAllocs: compressing a frame is one allocation, inflating a message none.
func TestDeflateAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector, pools drop entries")
	}
	frame := serverText(sample(1024))
	if n := testing.AllocsPerRun(100, func() { DeflateFrame(frame, 0) }); n > 1.5 {
		t.Errorf("%v allocations for a frame", n)
	}
	in := masked(finBit|rsv1|OpText, deflatedText(sample(1024)))
	b := make([]byte, len(in))
	var p Parser
	if n := testing.AllocsPerRun(100, func() {
		copy(b, in)
		if f, _, err := p.Next(b, Rules{MaxMessage: testMax * 2, Deflate: true}); err != nil || len(f.Payload) != 1024 {
			t.Fatal(f, err)
		}
		p.Release()
	}); n > 0.5 {
		t.Errorf("%v allocations for a message", n)
	}
}
