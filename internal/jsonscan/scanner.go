// Package jsonscan owns a scanner that skips JSON values, faster than encoding/json
// decodes them.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is the nesting depth up to which values are scanned; deeper ones are left to
// encoding/json.
const maxDepth = 64

// Scanner scans a JSON text (RFC 8259). Its methods start at the next token or the white
// space before it, and return false if the text is not JSON.
type Scanner struct {
	B      []byte
	I      int
	Wide   bool // some byte is not ASCII
	Spaced bool // white space was skipped
}

// Space skips white space.
func (s *Scanner) Space() {
	for s.I < len(s.B) {
		switch s.B[s.I] {
		case ' ', '\t', '\n', '\r':
			s.I++
			s.Spaced = true
		default:
			return
		}
	}
}

// Take skips white space and the given byte, if it is next.
func (s *Scanner) Take(c byte) bool {
	if s.I < len(s.B) && s.B[s.I] == c {
		s.I++
		return true
	}
	s.Space()
	if s.I < len(s.B) && s.B[s.I] == c {
		s.I++
		return true
	}
	return false
}

// PlainString reads a string without escapes, and returns the text between the quotes.
func (s *Scanner) PlainString() ([]byte, bool) {
	if !s.Take('"') {
		return nil, false
	}
	start := s.I
	s.text()
	if s.I == len(s.B) || s.B[s.I] != '"' {
		return nil, false
	}
	s.I++
	return s.B[start : s.I-1 : s.I-1], true
}

// text skips plain characters inside a string, eight bytes at a time. It stops at a quote,
// a backslash, a control character or the end.
func (s *Scanner) text() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	b, i := s.B, s.I
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// A byte's high bit is set if the byte is below ' ', a quote or a backslash.
		// Borrows can only set bits after a correct one, and only the first counts.
		// Bytes that are not ASCII clear their own bit.
		stop := ((w - ' '*ones) | (quote - ones) | (slash - ones)) &^ w & highs
		if stop != 0 {
			n := bits.TrailingZeros64(stop) / 8
			s.Wide = s.Wide || w<<(8*(7-n))&highs != 0
			s.I = i + n
			return
		}
		s.Wide = s.Wide || w&highs != 0
	}
	for ; i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\'; i++ {
		s.Wide = s.Wide || b[i] >= utf8.RuneSelf
	}
	s.I = i
}

// Value skips a value.
func (s *Scanner) Value(depth int) bool {
	s.Space()
	if s.I == len(s.B) || depth == 0 {
		return false
	}
	switch c := s.B[s.I]; c {
	case '"':
		return s.string()
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *Scanner) object(depth int) bool {
	s.I++
	if s.Take('}') {
		return true
	}
	for {
		if s.Space(); !s.string() || !s.Take(':') || !s.Value(depth-1) {
			return false
		}
		if !s.Take(',') {
			return s.Take('}')
		}
	}
}

func (s *Scanner) array(depth int) bool {
	s.I++
	if s.Take(']') {
		return true
	}
	for {
		if !s.Value(depth - 1) {
			return false
		}
		if !s.Take(',') {
			return s.Take(']')
		}
	}
}

func (s *Scanner) literal(word string) bool {
	if len(s.B)-s.I < len(word) || string(s.B[s.I:s.I+len(word)]) != word {
		return false
	}
	s.I += len(word)
	return true
}

// string skips a string, with escapes.
func (s *Scanner) string() bool {
	if s.I == len(s.B) || s.B[s.I] != '"' {
		return false
	}
	s.I++
	for {
		s.text()
		if s.I == len(s.B) {
			return false
		}
		switch s.B[s.I] {
		case '"':
			s.I++
			return true
		case '\\':
			if !s.escape() {
				return false
			}
		default: // a control character
			return false
		}
	}
}

func (s *Scanner) escape() bool {
	if s.I+1 >= len(s.B) {
		return false
	}
	c := s.B[s.I+1]
	s.I += 2
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if len(s.B)-s.I < 4 || !isHex(s.B[s.I]) || !isHex(s.B[s.I+1]) || !isHex(s.B[s.I+2]) || !isHex(s.B[s.I+3]) {
			return false
		}
		s.I += 4
		return true
	}
	return false
}

func isHex(c byte) bool {
	return IsDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// IsDigit reports whether a byte is a decimal digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// number skips a number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *Scanner) number() bool {
	if s.B[s.I] == '-' {
		s.I++
	}
	if s.I < len(s.B) && s.B[s.I] == '0' {
		s.I++
	} else if !s.digits() {
		return false
	}
	if s.I < len(s.B) && s.B[s.I] == '.' {
		s.I++
		if !s.digits() {
			return false
		}
	}
	if s.I < len(s.B) && s.B[s.I]|0x20 == 'e' {
		s.I++
		if s.I < len(s.B) && (s.B[s.I] == '+' || s.B[s.I] == '-') {
			s.I++
		}
		return s.digits()
	}
	return true
}

func (s *Scanner) digits() bool {
	start := s.I
	for s.I < len(s.B) && IsDigit(s.B[s.I]) {
		s.I++
	}
	return s.I > start
}

// IsCompact reports whether data is one JSON value in compact form and valid UTF-8, as it
// can be stored. It returns false for values nested deeper than maxDepth.
func IsCompact(data []byte) bool {
	s := Scanner{B: data}
	t, ok := s.Text()
	return ok && len(t.b) == len(data) && !t.spaced
}
