package crowd

import (
	"bytes"
	"testing"
)

func TestNextFrameWaitsForTheWholeFrame(t *testing.T) {
	for _, size := range []int{0, 125, 126, 70_000} {
		payload := bytes.Repeat([]byte("x"), size)
		frame := serverFrame(payload)
		for cut := range min(len(frame), 20) {
			if _, _, _, ok := nextFrame(frame[:cut]); ok {
				t.Errorf("%d bytes: a frame of %d bytes was whole after %d", size, len(frame), cut)
			}
		}
		opcode, got, rest, ok := nextFrame(append(frame, "next"...))
		if !ok || opcode != opText || !bytes.Equal(got, payload) || string(rest) != "next" {
			t.Errorf("%d bytes: opcode %d, %d bytes, rest %q, %t", size, opcode, len(got), rest, ok)
		}
	}
}

// serverFrame is an unmasked text frame.
func serverFrame(payload []byte) []byte {
	n := len(payload)
	head := []byte{0x81}
	switch {
	case n < 126:
		head = append(head, byte(n))
	case n < 1<<16:
		head = append(head, 126, byte(n>>8), byte(n))
	default:
		head = append(head, 127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(head, payload...)
}
