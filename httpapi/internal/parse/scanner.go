package parse

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how deep data is followed before it is left to encoding/json.
const maxDepth = 64

// scanner steps over a JSON text (RFC 8259). Its methods begin at the next token or the
// white space before it, and return false for what is not JSON.
type scanner struct {
	b      []byte
	i      int
	wide   bool // some byte is not ASCII
	spaced bool // white space was skipped
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
			s.spaced = true
		default:
			return
		}
	}
}

// take steps over a byte after white space, if it is the next.
func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// plainString reads a string that has no escapes, and returns what is between
// the quotes.
func (s *scanner) plainString() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	start := s.i
	s.text()
	if s.i == len(s.b) || s.b[s.i] != '"' {
		return nil, false
	}
	s.i++
	return s.b[start : s.i-1 : s.i-1], true
}

// text steps over plain characters inside a string: it stops at a quote, a backslash, a control character or the end. Eight bytes at a time.
func (s *scanner) text() {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	b, i := s.b, s.i
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		// A byte's high bit is set where it is below ' ', is a quote or a
		// backslash. Borrows can only set bits after a true one, and the first one
		// decides. Bytes that are not ASCII clear their own bit.
		stop := ((w - ' '*ones) | (quote - ones) | (slash - ones)) &^ w & highs
		if stop != 0 {
			n := bits.TrailingZeros64(stop) / 8
			s.wide = s.wide || w<<(8*(7-n))&highs != 0
			s.i = i + n
			return
		}
		s.wide = s.wide || w&highs != 0
	}
	for ; i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\'; i++ {
		s.wide = s.wide || b[i] >= utf8.RuneSelf
	}
	s.i = i
}

// value steps over a value.
func (s *scanner) value(depth int) bool {
	s.space()
	if s.i == len(s.b) || depth == 0 {
		return false
	}
	switch c := s.b[s.i]; c {
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

func (s *scanner) object(depth int) bool {
	s.i++
	if s.take('}') {
		return true
	}
	for {
		if s.space(); !s.string() || !s.take(':') || !s.value(depth-1) {
			return false
		}
		if !s.take(',') {
			return s.take('}')
		}
	}
}

func (s *scanner) array(depth int) bool {
	s.i++
	if s.take(']') {
		return true
	}
	for {
		if !s.value(depth - 1) {
			return false
		}
		if !s.take(',') {
			return s.take(']')
		}
	}
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// string steps over a string, with escapes.
func (s *scanner) string() bool {
	if s.i == len(s.b) || s.b[s.i] != '"' {
		return false
	}
	s.i++
	for {
		s.text()
		if s.i == len(s.b) {
			return false
		}
		switch s.b[s.i] {
		case '"':
			s.i++
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

func (s *scanner) escape() bool {
	if s.i+1 >= len(s.b) {
		return false
	}
	c := s.b[s.i+1]
	s.i += 2
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if len(s.b)-s.i < 4 || !isHex(s.b[s.i]) || !isHex(s.b[s.i+1]) || !isHex(s.b[s.i+2]) || !isHex(s.b[s.i+3]) {
			return false
		}
		s.i += 4
		return true
	}
	return false
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number steps over a number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() bool {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && isDigit(s.b[s.i]) {
		s.i++
	}
	return s.i > start
}
