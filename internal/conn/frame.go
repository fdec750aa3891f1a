package conn

import (
	"encoding/binary"
	"unicode/utf8"
)

// Opcodes of RFC 6455 §5.2.
const (
	opContinuation byte = 0x0
	OpText         byte = 0x1
	OpBinary       byte = 0x2
	OpClose        byte = 0x8
	OpPing         byte = 0x9
	OpPong         byte = 0xA
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	maskBit = 0x80

	// maxControl is the longest payload of a control frame (RFC 6455 §5.5).
	maxControl = 125
	// maxHeader is two bytes, a length of eight and a mask of four.
	maxHeader = 14
)

func isControl(op byte) bool { return op&0x8 != 0 }

// AppendFrame appends a whole server frame (final, not masked) to dst. The result
// may be shared by any number of connections. A control frame's payload must not
// be longer than 125 bytes.
func AppendFrame(dst []byte, op byte, payload []byte) []byte {
	if isControl(op) && len(payload) > maxControl {
		panic("conn: control frame of more than 125 bytes")
	}
	dst = append(dst, finBit|op)
	switch n := len(payload); {
	case n <= 125:
		dst = append(dst, byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// FramePayload is the payload in a frame that AppendFrame made.
func FramePayload(frame []byte) []byte {
	switch frame[1] {
	case 126:
		return frame[4:]
	case 127:
		return frame[10:]
	}
	return frame[2:]
}

// AppendPing appends a ping frame. The peer's pong brings the payload back, which
// is at most 125 bytes.
func AppendPing(dst, payload []byte) []byte { return AppendFrame(dst, OpPing, payload) }

// AppendClose appends a close frame. A reason that does not fit is cut, and a code
// that must not be sent (RFC 6455 §7.4.1) is left out together with its reason.
func AppendClose(dst []byte, code int, reason string) []byte {
	if !validCloseCode(code) {
		return AppendFrame(dst, OpClose, nil)
	}
	var buf [maxControl]byte
	payload := binary.BigEndian.AppendUint16(buf[:0], uint16(code))
	payload = append(payload, cut(reason, maxControl-2)...)
	return AppendFrame(dst, OpClose, payload)
}

// cut shortens s to at most n bytes of whole characters, so that it stays UTF-8.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Close codes this package sets by itself (RFC 6455 §7.4.1).
const (
	codeGoingAway      = 1001
	codeProtocolError  = 1002
	codeNoStatus       = 1005
	codeAbnormal       = 1006
	codeInvalidPayload = 1007
	codeTooBig         = 1009
)

// validCloseCode says whether a close frame may carry the code: those defined by
// RFC 6455 §7.4.1 and the IANA registry, without the three that are never on the
// wire (1004 is reserved), and the ranges of §7.4.2.
func validCloseCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	default:
		return code >= 3000 && code <= 4999
	}
}
