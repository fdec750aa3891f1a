package crowd

import "encoding/binary"

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// nextFrame splits the first WebSocket frame (RFC 6455 §5.2) off what a server
// sent. ok is false when it has not come whole yet.
func nextFrame(b []byte) (opcode byte, payload, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, b, false
	}
	head, size := 2, int(b[1]&0x7f)
	switch size {
	case 126:
		head = 4
		if len(b) < head {
			return 0, nil, b, false
		}
		size = int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		head = 10
		if len(b) < head {
			return 0, nil, b, false
		}
		size = int(binary.BigEndian.Uint64(b[2:]))
	}
	if len(b)-head < size {
		return 0, nil, b, false
	}
	return b[0] & 0x0f, b[head : head+size], b[head+size:], true
}

// appendFrame makes a client's frame. The mask is zero: no server may mind, and
// unmasking costs it the same.
func appendFrame(dst []byte, opcode byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	if len(payload) < 126 {
		dst = append(dst, 0x80|byte(len(payload)))
	} else {
		dst = append(dst, 0x80|126, byte(len(payload)>>8), byte(len(payload)))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}
