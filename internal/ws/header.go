package ws

import "encoding/binary"

// header is a frame's header, after the checks that need only the header.
type header struct {
	op       byte
	fin      bool
	deflated bool // RSV1
	length   uint64
	mask     [4]byte
}

// parseHeader parses the header of a peer's frame; n is its size, and 0 if b does not
// hold all of it. With deflate the first frame of a message may be marked as
// compressed.
func parseHeader(b []byte, r Rules) (h header, n int, err *ProtocolError) {
	if len(b) < 2 {
		return h, 0, nil
	}
	first := b[0]
	h.op, h.fin = first&0x0F, first&finBit != 0
	if r.Deflate && (h.op == OpText || h.op == OpBinary) {
		h.deflated = first&rsv1 != 0
		first &^= rsv1
	}
	if err := checkHead(first, b[1], r.Unmasked); err != nil {
		return h, 0, err
	}
	h.length, n, err = parseLength(b)
	switch {
	case n == 0:
		return h, 0, err
	case r.Unmasked:
		return h, n, nil
	case len(b) < n+4:
		return h, 0, nil
	}
	h.mask = [4]byte(b[n:])
	return h, n + 4, nil
}

// checkHead checks the first two bytes of a frame.
func checkHead(first, second byte, unmasked bool) *ProtocolError {
	op := first & 0x0F
	switch {
	case first&rsvBits != 0:
		return errReserved
	case op > OpBinary && op < OpClose, op > OpPong:
		return errOpcode
	case isControl(op) && first&finBit == 0:
		return errFragmented
	case isControl(op) && second&^maskBit > maxControl:
		return errControlLength
	case unmasked && second&maskBit != 0:
		return errMasked
	case !unmasked && second&maskBit == 0:
		return errUnmasked
	}
	return nil
}

// parseLength parses the payload's length and returns the offset of the mask; n is 0 if
// b does not hold all of it, and on error.
func parseLength(b []byte) (length uint64, n int, err *ProtocolError) {
	switch short := b[1] &^ maskBit; {
	case short <= 125:
		return uint64(short), 2, nil
	case short == 126 && len(b) >= 4:
		if length = uint64(binary.BigEndian.Uint16(b[2:])); length <= 125 {
			return 0, 0, errLength
		}
		return length, 4, nil
	case short == 127 && len(b) >= 10:
		// The most significant bit must be 0 (RFC 6455 §5.2).
		if length = binary.BigEndian.Uint64(b[2:]); length <= 0xFFFF || length>>63 != 0 {
			return 0, 0, errLength
		}
		return length, 10, nil
	}
	return 0, 0, nil
}
