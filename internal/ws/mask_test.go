package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	gobwas "github.com/gobwas/ws"
)

// slowMask is RFC 6455 §5.3, byte by byte.
func slowMask(b []byte, key [4]byte, pos int) {
	for i := range b {
		b[i] ^= key[(pos+i)%4]
	}
}

// TestMask: for every length up to a few unrolled rounds, every alignment and every
// offset in the key, exactly the given bytes change.
func TestMask(t *testing.T) {
	t.Parallel()
	key := [4]byte{0x5A, 0x01, 0xFF, 0xC3}
	for n := range 300 {
		for from := range 8 {
			for pos := range 9 {
				got := []byte(noise(n + 16))
				want := bytes.Clone(got)
				mask(got[from:from+n], key, pos)
				slowMask(want[from:from+n], key, pos)
				if !bytes.Equal(got, want) {
					t.Fatalf("%d bytes at %d, from byte %d of the key, differ", n, from, pos)
				}
			}
		}
	}
}

// FuzzMask compares with gobwas/ws, also for a payload in two pieces.
func FuzzMask(f *testing.F) {
	f.Add([]byte(noise(200)), uint32(0x12345678), 3, 70)
	f.Fuzz(func(t *testing.T, payload []byte, k uint32, pos, cut int) {
		pos, cut = pos&0xFFFF, min(max(cut, 0), len(payload))
		var key [4]byte
		binary.BigEndian.PutUint32(key[:], k)
		want := bytes.Clone(payload)
		gobwas.Cipher(want, key, pos)
		got := bytes.Clone(payload)
		mask(got[:cut], key, pos)
		mask(got[cut:], key, pos+cut)
		if !bytes.Equal(got, want) {
			t.Errorf("%x masked with %x from %d is %x, want %x", payload, key, pos, got, want)
		}
	})
}

// TestFramesOfOthers: gobwas/ws parses the frames of this package, and the parser those
// of gobwas/ws, for both sides and every encoding of the length.
func TestFramesOfOthers(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, 3, 7, 8, 63, 64, 125, 126, 127, 1000, 0xFFFF, 0x10000, 200_000} {
		for _, op := range []byte{OpText, OpBinary, OpPing, OpPong} {
			if isControl(op) && n > maxControl {
				continue
			}
			payload := bytes.Repeat([]byte{byte('a' + rnd.IntN(26))}, n)
			for _, server := range []bool{false, true} {
				ours := AppendMasked([]byte("before"), op, payload)
				theirs := gobwas.NewFrame(gobwas.OpCode(op), true, bytes.Clone(payload))
				if server {
					ours = AppendFrame([]byte("before"), op, payload)
				} else {
					theirs = gobwas.MaskFrameInPlaceWith(theirs, [4]byte{1, 0xF2, byte(rnd.IntN(256)), 4})
				}
				checkRead(t, ours[len("before"):], op, payload, !server)
				checkParse(t, gobwas.MustCompileFrame(theirs), op, payload, server)
			}
		}
	}
}

// checkRead parses a frame with gobwas/ws.
func checkRead(t *testing.T, frame []byte, op byte, payload []byte, masked bool) {
	t.Helper()
	in := bytes.NewReader(frame)
	f, err := gobwas.ReadFrame(in)
	if err != nil || in.Len() > 0 || f.Header.Masked != masked || !f.Header.Fin || f.Header.Rsv != 0 || byte(f.Header.OpCode) != op {
		t.Fatalf("%d bytes: %+v, %v", len(payload), f.Header, err)
	}
	if masked {
		f = gobwas.UnmaskFrameInPlace(f)
	}
	if !bytes.Equal(f.Payload, payload) {
		t.Errorf("%d bytes came out as %d others", len(payload), len(f.Payload))
	}
}

// checkParse parses a frame with the parser, whole and in pieces.
func checkParse(t *testing.T, frame []byte, op byte, payload []byte, server bool) {
	t.Helper()
	for _, size := range []int{len(frame), 1 + len(frame)/3, 7} {
		var p Parser
		var got []byte
		found := 0
		for _, b := range pieces(bytes.Clone(frame), size) {
			for {
				f, rest, err := p.Next(b, Rules{MaxMessage: 1 << 20, Unmasked: server})
				if err != nil {
					t.Fatal(err)
				}
				if f.Op == opContinuation {
					break
				}
				found++
				got, b = bytes.Clone(f.Payload), rest
				if f.Op != op {
					t.Errorf("opcode %d, want %d", f.Op, op)
				}
			}
		}
		if found != 1 || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes by %d: %d frames, %d bytes", len(payload), size, found, len(got))
		}
	}
}

// TestMaskKeys: each frame of a client has a new key.
func TestMaskKeys(t *testing.T) {
	t.Parallel()
	seen := map[[4]byte]bool{}
	for range 100 {
		seen[[4]byte(AppendMasked(nil, OpText, nil)[2:])] = true
	}
	if len(seen) < 99 { // two of a hundred are equal by chance with a probability of one in a million
		t.Errorf("%d keys for 100 frames", len(seen))
	}
}

// TestBuildAllocs: frames that fit into dst cost no allocation.
func TestBuildAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector, crypto/rand allocates")
	}
	payload := make([]byte, 300)
	dst := make([]byte, 0, 400)
	for name, build := range map[string]func(){
		"frame":  func() { AppendFrame(dst, OpText, payload) },
		"masked": func() { AppendMasked(dst, OpText, payload) },
		"ping":   func() { AppendPing(dst, payload[:100]) },
		"close":  func() { AppendClose(dst, 1000, "bye") },
	} {
		if n := testing.AllocsPerRun(100, build); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkMask(b *testing.B) {
	key := [4]byte{1, 2, 3, 4}
	for _, size := range []int{8, 64, 125, 1024, 16 << 10} {
		payload := make([]byte, size)
		for _, one := range []struct {
			name string
			mask func([]byte, [4]byte, int)
		}{{"ours", mask}, {"gobwas", gobwas.Cipher}} {
			b.Run(fmt.Sprintf("%s/%d", one.name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					one.mask(payload, key, 1)
				}
			})
		}
	}
}
