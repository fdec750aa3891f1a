package parse

import (
	"time"
	"unicode/utf8"
)

// Push are the members of a push as they were sent. The slices are parts of
// the body and only valid as long as it is.
type Push struct {
	To      []string // nil: absent
	many    bool     // to was a list
	data    []byte   // a JSON value; nil: absent
	spaced  bool     // data may not be in compact form
	base64  []byte   // without quotes and escapes; nil: absent
	kind    string   // content_type
	id, key string
	ttl     time.Duration // 0: absent
}

// The members of a push, as bits of what was seen.
const (
	seenTo = 1 << iota
	seenData
	seenBase64
	seenType
	seenID
	seenKey
	seenTTL
)

// scan reads a push in its usual form: one JSON object with members that are
// known and given once, and whose strings have no escapes. False means that the
// body is not like that, not that it is wrong: then strict decides. What scan accepts,
// strict reads in the same way (a fuzz target compares them).
func (f *Push) scan(body []byte) bool {
	*f = Push{}
	s := scanner{b: body}
	if !s.take('{') {
		return false
	}
	seen := 0
	for {
		name, ok := s.plainString()
		if !ok || !s.take(':') {
			return false
		}
		member := f.scanMember(&s, name)
		if member == 0 || seen&member != 0 {
			return false
		}
		seen |= member
		if s.take(',') {
			continue
		}
		if !s.take('}') {
			return false
		}
		s.space()
		return s.i == len(s.b) && (!s.wide || utf8.Valid(body))
	}
}

// scanMember reads the value of a member, and says which it was; 0 for anything
// unusual.
func (f *Push) scanMember(s *scanner, name []byte) int {
	switch string(name) {
	case "to":
		return when(f.scanTargets(s), seenTo)
	case "data":
		s.space()
		start := s.i
		s.spaced = false
		ok := s.value(maxDepth)
		f.data, f.spaced = s.b[start:s.i], s.spaced
		return when(ok, seenData)
	case "data_base64":
		v, ok := s.plainString()
		f.base64 = v
		return when(ok, seenBase64)
	case "content_type":
		v, ok := s.plainString()
		f.kind = internType(v)
		return when(ok, seenType)
	case "id":
		v, ok := s.plainString()
		f.id = string(v)
		return when(ok, seenID)
	case "key":
		v, ok := s.plainString()
		f.key = string(v)
		return when(ok, seenKey)
	case "ttl":
		v, ok := s.plainString()
		if !ok {
			return 0 // a number of seconds is rare
		}
		d, err := parseTTL(string(v))
		f.ttl = d
		return when(err == nil, seenTTL)
	}
	return 0
}

func when(ok bool, member int) int {
	if ok {
		return member
	}
	return 0
}

// scanTargets reads a name or a list of names.
func (f *Push) scanTargets(s *scanner) bool {
	if !s.take('[') {
		v, ok := s.plainString()
		f.To = []string{string(v)}
		return ok
	}
	f.many = true
	for len(f.To) < MaxTargets {
		v, ok := s.plainString()
		if !ok {
			return false
		}
		f.To = append(f.To, string(v))
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
	return false
}

// internType makes a string of a content type, without a copy of the usual ones.
func internType(v []byte) string {
	switch string(v) {
	case "application/json":
		return "application/json"
	case "text/plain":
		return "text/plain"
	}
	return string(v)
}
