package parse

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/jsonscan"
)

// Push are the members of a push as they were sent. The slices are parts of
// the body and only valid as long as it is.
type Push struct {
	To      []string      // nil: absent
	many    bool          // to was a list
	data    []byte        // a JSON value; nil: absent
	scanned bool          // text is set
	text    jsonscan.Text // data, if scan read it
	base64  []byte        // without quotes and escapes; nil: absent
	kind    string        // content_type
	id, key string
	ttl     time.Duration // 0: absent
	trace   string        // traceparent

	// Only strict reads these.
	delay        time.Duration // 0: absent
	at           time.Time
	escalate     []wirepost.EscalationStep
	until        wirepost.EscalationUntil
	notification json.RawMessage
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
	seenTrace
)

// scan reads a push in its usual form: one JSON object with members that are
// known and given once, and whose strings have no escapes. False means that the
// body is not like that, not that it is wrong: then strict decides. What scan accepts,
// strict reads in the same way (a fuzz target compares them).
func (f *Push) scan(body []byte) bool {
	one := f.To
	if f.many {
		one = nil // the caller may have kept the list
	}
	*f = Push{To: one[:0]}
	s := jsonscan.Scanner{B: body}
	if !s.Take('{') {
		return false
	}
	seen := 0
	for {
		name, ok := s.PlainString()
		if !ok || !s.Take(':') {
			return false
		}
		member := f.scanMember(&s, name)
		if member == 0 || seen&member != 0 {
			return false
		}
		seen |= member
		if s.Take(',') {
			continue
		}
		if !s.Take('}') {
			return false
		}
		s.Space()
		return s.I == len(s.B) && (!s.Wide || utf8.Valid(body))
	}
}

// scanMember reads the value of a member, and says which it was; 0 for anything
// unusual.
func (f *Push) scanMember(s *jsonscan.Scanner, name []byte) int {
	switch string(name) {
	case "to":
		return when(f.scanTargets(s), seenTo)
	case "data":
		text, ok := s.Text()
		f.data, f.text, f.scanned = text.Bytes(), text, true
		return when(ok, seenData)
	case "data_base64":
		v, ok := s.PlainString()
		f.base64 = v
		return when(ok, seenBase64)
	case "content_type":
		v, ok := s.PlainString()
		f.kind = internType(v)
		return when(ok, seenType)
	case "id":
		v, ok := s.PlainString()
		f.id = string(v)
		return when(ok, seenID)
	case "key":
		v, ok := s.PlainString()
		f.key = string(v)
		return when(ok, seenKey)
	case "ttl":
		v, ok := s.PlainString()
		if !ok {
			return 0 // a number of seconds is rare
		}
		d, err := parseDuration("ttl", string(v))
		f.ttl = d
		return when(err == nil, seenTTL)
	case "traceparent":
		v, ok := s.PlainString()
		f.trace = string(v)
		return when(ok, seenTrace)
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
func (f *Push) scanTargets(s *jsonscan.Scanner) bool {
	if !s.Take('[') {
		v, ok := s.PlainString()
		f.To = append(f.To[:0], string(v))
		return ok
	}
	f.To, f.many = nil, true
	for len(f.To) < MaxTargets {
		v, ok := s.PlainString()
		if !ok {
			return false
		}
		f.To = append(f.To, string(v))
		if s.Take(']') {
			return true
		}
		if !s.Take(',') {
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
