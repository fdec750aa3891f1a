package jsonscan

import (
	"bytes"
	"unicode/utf8"
)

// Text is a JSON value in valid UTF-8 that a Scanner has stepped over: only
// Scanner.Text makes one. It is a part of the scanner's text.
type Text struct {
	b      []byte
	spaced bool // it may have white space between tokens
}

// Text reads a value. False means that the next token does not begin a valid JSON value
// in UTF-8, or one that is nested too deep for the scanner.
func (s *Scanner) Text() (Text, bool) {
	s.Space()
	start, wide := s.I, s.Wide
	s.Spaced, s.Wide = false, false
	ok := s.Value(maxDepth)
	t := Text{s.B[start:s.I:s.I], s.Spaced}
	ok = ok && (!s.Wide || utf8.Valid(t.b))
	s.Wide = wide // what the value contains has been checked
	return t, ok
}

// Bytes returns the value as it was given.
func (t Text) Bytes() []byte { return t.b }

// Compact returns a copy of the value without white space between its tokens.
func (t Text) Compact() []byte {
	if !t.spaced {
		return bytes.Clone(t.b)
	}
	out, from := make([]byte, 0, len(t.b)), 0
	for i := 0; i < len(t.b); i++ {
		switch t.b[i] {
		case '"':
			i = endOfString(t.b, i)
		case ' ', '\t', '\n', '\r':
			out = append(out, t.b[from:i]...)
			from = i + 1
		}
	}
	return append(out, t.b[from:]...)
}

// endOfString returns the index of the quote that ends the string which begins at i.
func endOfString(b []byte, i int) int {
	s := Scanner{B: b, I: i}
	s.string()
	return s.I - 1
}

// Plain returns what is between the quotes, if the value is a string without escapes.
func (t Text) Plain() ([]byte, bool) {
	if t.b[0] != '"' || bytes.IndexByte(t.b, '\\') >= 0 {
		return nil, false
	}
	return t.b[1 : len(t.b)-1], true
}
