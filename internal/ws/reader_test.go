package ws

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	gobwas "github.com/gobwas/ws"
)

// TestReader reads the output of a server, in one piece and byte by byte.
func TestReader(t *testing.T) {
	long := strings.Repeat("ü", 20_000)
	var stream []byte
	stream = AppendFrame(stream, OpText, []byte("hello"))
	stream = AppendPing(stream, []byte("p"))
	first := AppendFrame(nil, OpBinary, []byte{1, 2})
	first[0] &^= finBit
	stream = append(stream, first...)
	stream = AppendFrame(stream, OpPong, nil)
	stream = AppendFrame(stream, opContinuation, []byte{3})
	stream = AppendFrame(stream, OpText, []byte(long))
	stream = AppendClose(stream, 4409, "go")
	want := []Frame{
		{Op: OpText, Payload: []byte("hello")},
		{Op: OpPing, Payload: []byte("p")},
		{Op: OpPong},
		{Op: OpBinary, Payload: []byte{1, 2, 3}},
		{Op: OpText, Payload: []byte(long)},
		{Op: OpClose, Code: 4409, Payload: []byte("go")},
	}
	for name, src := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "bytes": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(src, nil, 64<<10, false)
			for i, w := range want {
				got, err := r.Next()
				if err != nil || got.Op != w.Op || got.Code != w.Code || !bytes.Equal(got.Payload, w.Payload) {
					t.Fatalf("frame %d: %+v %v", i, got, err)
				}
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		stream []byte
		want   *ProtocolError
	}{
		"masked":    {AppendMasked(nil, OpText, []byte("a")), errMasked},
		"too big":   {[]byte{finBit | OpText, 127, 0, 0, 1, 0, 0, 0, 0, 0}, errTooBig},
		"half text": {[]byte{OpText, 2, 0xC3, 0x28}, errUTF8},
		"rsv":       {[]byte{finBit | rsv1 | OpText, 0}, errReserved},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewReader(bytes.NewReader(tc.stream), nil, 1000, false).Next()
			if bad, ok := errors.AsType[*ProtocolError](err); !ok || bad != tc.want {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// TestAppendMasked compares with gobwas/ws.
func TestAppendMasked(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 0xFFFF, 0x10000} {
		payload := bytes.Repeat([]byte("x"), n)
		f, err := gobwas.ReadFrame(bytes.NewReader(AppendMasked([]byte{}, OpBinary, payload)))
		if err != nil || !f.Header.Masked || !f.Header.Fin || f.Header.OpCode != gobwas.OpBinary {
			t.Fatalf("%d bytes: %+v %v", n, f.Header, err)
		}
		if got := gobwas.UnmaskFrame(f).Payload; !bytes.Equal(got, payload) {
			t.Errorf("%d bytes came out as %d others", n, len(got))
		}
	}
	f, err := gobwas.ReadFrame(bytes.NewReader(AppendMaskedClose(nil, 1000, "bye")))
	if err != nil {
		t.Fatal(err)
	}
	if code, reason := gobwas.ParseCloseFrameData(gobwas.UnmaskFrame(f).Payload); code != 1000 || reason != "bye" {
		t.Errorf("close %d %q", code, reason)
	}
}
