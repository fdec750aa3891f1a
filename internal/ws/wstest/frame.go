// Package wstest is for tests: valid and invalid frames of clients, and the results
// expected of a parser. It shares no code with the packages that it tests.
package wstest

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const (
	fin      = 0x80
	maskBit  = 0x80
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// Masked makes a client's frame. First is its first byte: FIN, RSV and opcode.
func Masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, maskBit|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, maskBit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, maskBit|127), uint64(n))
	}
	mask := [4]byte{0x5A, 0x01, 0xFF, 0xC3}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

// Text is a whole text message.
func Text(payload string) []byte { return Masked(fin|opText, payload) }

// Binary is a whole binary message.
func Binary(payload string) []byte { return Masked(fin|opBinary, payload) }

// Control is a control frame.
func Control(op byte, payload string) []byte { return Masked(fin|op, payload) }

// Close is a close frame.
func Close(code int, reason string) []byte {
	return Control(opClose, string([]byte{byte(code >> 8), byte(code)})+reason)
}

// Begins is the first frame of a fragmented message, Continues one in its middle, and
// Ends the last.
func Begins(op byte, payload string) []byte { return Masked(op, payload) }

// Continues: see Begins.
func Continues(payload string) []byte { return Masked(0, payload) }

// Ends: see Begins.
func Ends(payload string) []byte { return Masked(fin, payload) }

// Join concatenates frames.
func Join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// Pieces splits b into slices of n bytes.
func Pieces(b []byte, n int) [][]byte { return slices.Collect(slices.Chunk(b, n)) }
