// Package strict reads JSON objects exactly as they are written. encoding/json matches
// names regardless of case, takes the last of two members with the same name, and
// replaces invalid Unicode, so that it may read a different object than a proxy, a signer
// or another library. This package is for values that are compared after decoding.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrNotObject is the error of valid JSON that is not an object.
var ErrNotObject = errors.New("not a JSON object")

// ErrNotUnicode is the error of a string with bytes that are not UTF-8, or with half
// of a surrogate pair: encoding/json replaces each with U+FFFD, which makes different
// strings equal.
var ErrNotUnicode = errors.New(`not valid Unicode: a part is not UTF-8, or half of a surrogate pair (\ud800 to \udfff)`)

// DuplicateError is the error of an object with two members of the same name.
type DuplicateError string

func (e DuplicateError) Error() string { return fmt.Sprintf("the field %q is given twice", string(e)) }

// Object calls fn with the members of a JSON object in their order, until fn returns
// an error. A value has no surrounding white space and is a slice of data. Invalid JSON
// is a *json.SyntaxError before fn is called; a name that is not Unicode, or equal to an
// earlier one, is an error when it is reached.
func Object(data []byte, fn func(name string, value []byte) error) error {
	var seen names
	return members(data, func(quoted, value []byte) error {
		name, err := String(quoted)
		if err != nil {
			return fmt.Errorf("a field's name is %w", err)
		}
		if !seen.add(name) {
			return DuplicateError(name)
		}
		return fn(name, value)
	})
}

// Broken describes a syntax error in data to whoever sent it. encoding/json names a byte as
// if it were a character: it has 'ä' for the first byte of 中.
func Broken(data []byte, err *json.SyntaxError) string {
	text := err.Error()
	if at := err.Offset - 1; at >= 0 && at < int64(len(data)) && data[at] >= utf8.RuneSelf {
		named := fmt.Sprintf("byte %#x", data[at])
		if r, size := utf8.DecodeRune(data[at:]); size > 1 {
			named = "character " + strconv.QuoteRune(r)
		}
		text = strings.Replace(text, "character "+strconv.QuoteRune(rune(data[at])), named, 1)
	}
	return fmt.Sprintf("broken JSON at byte %d: %s", err.Offset, text)
}

// Member returns the only member of a JSON object with a name, or nil. Other members may
// be what Object refuses.
func Member(data []byte, name string) (found []byte) {
	n := 0
	members(data, func(quoted, value []byte) error { //nolint:errcheck // then there is no such member
		if s, err := String(quoted); err == nil && s == name {
			found = value
			n++
		}
		return nil
	})
	if n != 1 {
		return nil
	}
	return found
}

// members calls fn with the members of a JSON object, the names in quotes, until fn
// returns an error.
func members(data []byte, fn func(quoted, value []byte) error) error {
	if !json.Valid(data) {
		return json.Unmarshal(data, new(json.RawMessage))
	}
	// The text is valid from here on.
	i := space(data, 0)
	if data[i] != '{' {
		return ErrNotObject
	}
	for i = space(data, i+1); data[i] != '}'; {
		end := value(data, i)
		name := data[i:end]
		i = space(data, space(data, end)+1) // after the colon
		end = value(data, i)
		if err := fn(name, data[i:end:end]); err != nil {
			return err
		}
		if i = space(data, end); data[i] == ',' {
			i = space(data, i+1)
		}
	}
	return nil
}

// names are the names read so far. Objects have few members, unless the sender is hostile.
type names struct {
	first [16]string
	n     int
	more  map[string]bool
}

// add adds a name and reports whether it is new.
func (s *names) add(name string) bool {
	if slices.Contains(s.first[:s.n], name) || s.more[name] {
		return false
	}
	if s.n < len(s.first) {
		s.first[s.n] = name
		s.n++
		return true
	}
	if s.more == nil {
		s.more = map[string]bool{}
	}
	s.more[name] = true
	return true
}

// space returns the index of the next byte that is not white space.
func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// value returns the index after the value that starts at i.
func value(data []byte, i int) int {
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = quoted(data, i)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if depth > 0 {
				continue
			}
			return scalar(data, i)
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}

// quoted returns the index of the closing quote of the string that starts at i.
func quoted(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i
}

// scalar returns the index after a number, true, false or null.
func scalar(data []byte, i int) int {
	for i < len(data) && bytes.IndexByte([]byte(" \n\t\r,]}:"), data[i]) < 0 {
		i++
	}
	return i
}

// Kind names the type of a JSON value, for error messages. The value must be valid JSON.
func Kind(value []byte) string {
	switch value[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// String reads a JSON string. The value must be valid JSON.
func String(value []byte) (string, error) {
	if len(value) == 0 || value[0] != '"' {
		return "", errors.New("not a string")
	}
	if !utf8.Valid(value) || LoneSurrogate(value) {
		return "", ErrNotUnicode
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// Strings reads a JSON list of strings. The value must be valid JSON.
func Strings(value []byte) ([]string, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(value, &raw); err != nil {
		return nil, errors.New("not a list of strings")
	}
	list := make([]string, len(raw))
	for i, v := range raw {
		var err error
		if list[i], err = String(bytes.TrimSpace(v)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// LoneSurrogate reports whether a valid JSON string has an \u escape that is half of a
// surrogate pair.
func LoneSurrogate(s []byte) bool {
	for {
		at := bytes.IndexByte(s, '\\')
		if at < 0 {
			return false
		}
		if s = s[at+1:]; s[0] != 'u' {
			s = s[1:]
			continue
		}
		unit := hex4(s[1:])
		s = s[5:]
		switch {
		case unit < 0xd800 || unit > 0xdfff:
		case unit < 0xdc00 && bytes.HasPrefix(s, []byte(`\u`)) && hex4(s[2:])>>10 == 0xdc00>>10:
			s = s[6:]
		default:
			return true
		}
	}
}

func hex4(s []byte) uint64 {
	unit, _ := strconv.ParseUint(string(s[:4]), 16, 16)
	return unit
}
