package ws

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// AppendFrame appends a whole server frame (final, not masked) to dst. The result may
// be shared by any number of connections. A control frame's payload must not be longer
// than 125 bytes.
func AppendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = slices.Grow(dst, maxHead+len(payload)) // at once
	return append(appendHead(dst, op, 0, len(payload)), payload...)
}

// AppendMasked appends a whole client frame to dst: final, and masked with an
// unpredictable key (RFC 6455 §5.3). A control frame's payload must not be longer than
// 125 bytes.
func AppendMasked(dst []byte, op byte, payload []byte) []byte {
	var key [4]byte
	rand.Read(key[:]) //nolint:errcheck // it never fails
	dst = append(appendHead(dst, op, maskBit, len(payload)), key[:]...)
	dst = append(dst, payload...)
	mask(dst[len(dst)-len(payload):], key, 0)
	return dst
}

// maxHead is the longest header of a server frame, in bytes.
const maxHead = 10

// appendHead appends the header of a frame up to its length.
func appendHead(dst []byte, op, masked byte, size int) []byte {
	switch {
	case size <= maxControl:
		return append(dst, finBit|op, masked|byte(size))
	case isControl(op):
		panic("ws: control frame of more than 125 bytes")
	case size <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, finBit|op, masked|126), uint16(size))
	}
	return binary.BigEndian.AppendUint64(append(dst, finBit|op, masked|127), uint64(size))
}

// AppendHead appends the header of a whole server frame whose payload is written after it,
// without being copied.
func AppendHead(dst []byte, op byte, size int) []byte { return appendHead(dst, op, 0, size) }

// FramePayload returns the payload of a frame made by AppendFrame.
func FramePayload(frame []byte) []byte {
	switch frame[1] {
	case 126:
		return frame[4:]
	case 127:
		return frame[10:]
	}
	return frame[2:]
}

// AppendPing appends a ping frame. The peer's pong returns the payload, which is at
// most 125 bytes.
func AppendPing(dst, payload []byte) []byte { return AppendFrame(dst, OpPing, payload) }

// AppendClose appends a close frame. A reason that does not fit is cut; a code that
// must not be sent (RFC 6455 §7.4.1) is omitted together with its reason.
func AppendClose(dst []byte, code int, reason string) []byte {
	if !validCloseCode(code) {
		return AppendFrame(dst, OpClose, nil)
	}
	var buf [maxControl]byte
	payload := binary.BigEndian.AppendUint16(buf[:0], uint16(code))
	payload = append(payload, cut(reason, maxControl-2)...)
	return AppendFrame(dst, OpClose, payload)
}

// AppendMaskedClose is AppendClose for a client.
func AppendMaskedClose(dst []byte, code int, reason string) []byte {
	return AppendMasked(dst, OpClose, FramePayload(AppendClose(nil, code, reason)))
}

// cut shortens s to at most n bytes without splitting a character, so that it stays
// valid UTF-8.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// validCloseCode reports whether a close frame may carry the code: those defined by RFC
// 6455 §7.4.1 and the IANA registry, without the three that are never sent (1004 is
// reserved), and the ranges of §7.4.2.
func validCloseCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	default:
		return code >= 3000 && code <= 4999
	}
}
