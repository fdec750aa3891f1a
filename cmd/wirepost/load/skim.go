package load

import (
	"encoding/binary"
	"fmt"
)

// Opcodes (RFC 6455 §11.8).
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

const (
	// maxHead is how much of a payload is kept: enough for the envelope of
	// wirepost.v1 and the marks of a message behind it.
	maxHead = 512
	// maxFrame only tells nonsense from a length; no memory depends on it.
	maxFrame = 1 << 30
)

// frame is what is kept of a frame that a server sent.
type frame struct {
	op   byte
	size int    // of the whole payload
	head []byte // its beginning, at most maxHead; valid until the next call
}

// skimmer finds the frames in the bytes of a server and passes over most of
// them. It copies only what a read has cut in two. It is not safe for concurrent
// use.
type skimmer struct {
	header [10]byte
	have   int // bytes of header
	inBody bool
	op     byte
	size   int
	left   int    // bytes of the payload to come
	kept   []byte // head of a payload that came in parts
}

// next gives the next frame that ends in p, and what is behind it. Without ok all
// of p is used up. After an error the skimmer is of no use.
func (s *skimmer) next(p []byte) (f frame, rest []byte, ok bool, err error) {
	if !s.inBody {
		if p, err = s.readHeader(p); err != nil || !s.inBody {
			return frame{}, nil, false, err
		}
	}
	n := min(len(p), s.left)
	part, rest := p[:n], p[n:]
	if s.left -= n; s.left > 0 {
		s.keep(part)
		return frame{}, nil, false, nil
	}
	f = frame{op: s.op, size: s.size, head: part[:min(n, maxHead)]}
	if len(s.kept) > 0 {
		s.keep(part)
		f.head = s.kept
		s.kept = s.kept[:0]
	}
	s.inBody, s.have = false, 0
	return f, rest, true, nil
}

func (s *skimmer) keep(part []byte) {
	s.kept = append(s.kept, part[:min(len(part), maxHead-len(s.kept))]...)
}

// readHeader takes as much of a header as there is.
func (s *skimmer) readHeader(p []byte) ([]byte, error) {
	for {
		need := s.headerSize()
		n := copy(s.header[s.have:need], p)
		s.have, p = s.have+n, p[n:]
		if s.have < need {
			return nil, nil
		}
		if s.headerSize() == need { // the first two bytes tell how many there are
			return p, s.begin()
		}
	}
}

func (s *skimmer) headerSize() int {
	if s.have >= 2 {
		switch s.header[1] & 0x7f {
		case 126:
			return 4
		case 127:
			return 10
		}
	}
	return 2
}

// begin checks a whole header. Extensions were not offered, and Wirepost does not
// fragment.
func (s *skimmer) begin() error {
	s.op = s.header[0] & 0xf
	size := uint64(s.header[1] & 0x7f)
	switch size {
	case 126:
		size = uint64(binary.BigEndian.Uint16(s.header[2:]))
	case 127:
		size = binary.BigEndian.Uint64(s.header[2:])
	}
	control := s.op >= opClose
	switch {
	case s.header[0]&0x80 == 0:
		return fmt.Errorf("the server sent a fragmented message")
	case s.header[0]&0x70 != 0:
		return fmt.Errorf("the server set reserved bits in a frame (%#x)", s.header[0])
	case s.header[1]&0x80 != 0:
		return fmt.Errorf("the server masked a frame")
	case s.op != opText && s.op != opBinary && s.op != opClose && s.op != opPing && s.op != opPong:
		return fmt.Errorf("the server sent a frame with opcode %d", s.op)
	case control && size > 125, size > maxFrame:
		return fmt.Errorf("the server sent a frame of %d bytes with opcode %d", size, s.op)
	}
	s.size, s.left, s.inBody = int(size), int(size), true
	return nil
}

// appendFrame adds a client's frame. Its mask is zero: masks protect proxies from
// pages that choose the bytes, and here no page does.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	if n := len(payload); n < 126 {
		dst = append(dst, 0x80|byte(n))
	} else {
		dst = append(dst, 0x80|126, byte(n>>8), byte(n)) // acknowledgements are short
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}
