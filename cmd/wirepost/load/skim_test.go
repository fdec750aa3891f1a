package load

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// frames skims all of p in pieces whose sizes cuts tells.
func frames(p, cuts []byte) (all []frame, err error) {
	var s skimmer
	for i := 0; len(p) > 0; i++ {
		n := len(p)
		if i < len(cuts) {
			n = min(int(cuts[i]), n)
		}
		piece := slices.Clone(p[:n])
		p = p[n:]
		for {
			f, rest, ok, err := s.next(piece)
			if err != nil {
				return all, err
			}
			if !ok {
				break
			}
			f.head = slices.Clone(f.head)
			all, piece = append(all, f), rest
		}
	}
	return all, nil
}

func serverFrame(op ws.OpCode, payload []byte) []byte {
	return ws.MustCompileFrame(ws.NewFrame(op, true, payload))
}

// FuzzSkim compares the skimmer with gobwas/ws, whatever pieces the bytes come
// in.
func FuzzSkim(f *testing.F) {
	f.Add(serverFrame(ws.OpText, []byte("hello")), []byte{1, 1, 1})
	f.Add(serverFrame(ws.OpBinary, make([]byte, 300)), []byte{3, 200})
	f.Add(append(serverFrame(ws.OpPing, []byte("x")), serverFrame(ws.OpText, make([]byte, 70_000))...), []byte{0, 9})
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0}, []byte{})
	f.Add([]byte{0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, []byte{2})
	f.Fuzz(func(t *testing.T, p, cuts []byte) {
		whole, err1 := frames(p, nil)
		pieces, err2 := frames(p, cuts)
		if (err1 == nil) != (err2 == nil) || !slices.EqualFunc(whole, pieces, equalFrames) {
			t.Fatalf("whole: %v %v\npieces: %v %v", whole, err1, pieces, err2)
		}
		reader := bytes.NewReader(p)
		for _, got := range whole {
			h, err := ws.ReadHeader(reader)
			if err != nil || int64(got.size) != h.Length || got.op != byte(h.OpCode) {
				t.Fatalf("got %d of %d bytes, want %+v, %v", got.op, got.size, h, err)
			}
			payload := make([]byte, h.Length)
			if _, err := io.ReadFull(reader, payload); err != nil || !bytes.Equal(got.head, payload[:min(len(payload), maxHead)]) {
				t.Fatalf("the head is %q of %q, %v", got.head, payload, err)
			}
		}
	})
}

func equalFrames(a, b frame) bool {
	return a.op == b.op && a.size == b.size && bytes.Equal(a.head, b.head)
}

func TestSkimRefuses(t *testing.T) {
	for name, p := range map[string][]byte{
		"masked":        {0x81, 0x81, 0, 0, 0, 0, 'x'},
		"reserved bits": {0xc1, 1, 'x'},
		"fragment":      {0x01, 1, 'x'},
		"opcode 3":      {0x83, 0},
		"long ping":     {0x89, 126, 0, 200},
		"endless":       {0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if all, err := frames(p, nil); err == nil {
			t.Errorf("%s: got %v", name, all)
		}
	}
}

func TestAppendFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 300} {
		payload := bytes.Repeat([]byte("p"), size)
		f, err := ws.ReadFrame(bytes.NewReader(appendFrame(nil, opText, payload)))
		if err != nil || !f.Header.Masked || !f.Header.Fin || f.Header.OpCode != ws.OpText {
			t.Fatalf("%d bytes: %+v, %v", size, f.Header, err)
		}
		if got := ws.UnmaskFrame(f).Payload; !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: %q", size, got)
		}
	}
}
