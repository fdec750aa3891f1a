package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
)

// badRequest blames one field of a request; "" blames the whole.
func badRequest(field, format string, args ...any) *wirepost.Error {
	return &wirepost.Error{Code: wirepost.CodeBadRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}

// eachMember reads a JSON object and nothing behind it, and calls fn with every
// member; fn answers errUnknown for a name it does not know. Broken JSON, bytes
// that are not UTF-8, unknown names and repeated ones are errors that say where.
func eachMember(body []byte, fn func(name string, value json.RawMessage) error) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	// The text is valid from here on, so no error of dec can occur.
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, _ := dec.Token(); first != json.Delim('{') {
		return badRequest("", "the body has to be a JSON object")
	}
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return badRequest("", "broken JSON at byte %d", dec.InputOffset())
		}
		if seen[name] {
			return badRequest(name, "the field is given twice, the second time before byte %d", dec.InputOffset())
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return badRequest(name, "broken JSON at byte %d", dec.InputOffset())
		}
		switch err := fn(name, value); {
		case errors.Is(err, errUnknown):
			return badRequest(name, "there is no field %q here (before byte %d)", name, dec.InputOffset())
		case err != nil:
			return err
		}
	}
	return nil
}

// errUnknown says that an object has no member of that name.
var errUnknown = errors.New("unknown field")

// checkJSON says whether the body is one JSON value in UTF-8, or where it is not.
func checkJSON(body []byte) error {
	for i := 0; !utf8.Valid(body[i:]); {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && size == 1 {
			return badRequest("", "the body is not valid UTF-8 at byte %d", i)
		}
		i += size
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return badRequest("", "the body is empty, a JSON object is needed")
	}
	err := json.Unmarshal(body, new(json.RawMessage))
	if err == nil {
		return nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return badRequest("", "broken JSON at byte %d: %s", syntax.Offset, syntax)
	}
	return badRequest("", "broken JSON: %s", err)
}

// strict reads a push as encoding/json does, and says what is wrong with it.
func (f *fields) strict(body []byte) error {
	*f = fields{}
	return eachMember(body, f.member)
}

func (f *fields) member(name string, value json.RawMessage) (err error) {
	switch name {
	case "to":
		f.to, f.many, err = targets(value)
	case "data":
		f.data, f.spaced = value, true
	case "data_base64":
		var s string
		s, err = text(name, value)
		f.base64 = []byte(s)
	case "content_type":
		f.kind, err = text(name, value)
	case "id":
		f.id, err = text(name, value)
	case "key":
		f.key, err = text(name, value)
	case "ttl":
		err = f.setTTL(value)
	default:
		err = errUnknown
	}
	return err
}

// text reads a string. One that cannot be written in UTF-8 is refused, where
// encoding/json would put a replacement character.
func text(field string, value json.RawMessage) (string, error) {
	if value[0] != '"' {
		return "", badRequest(field, "it has to be a string, not %s", kindOf(value))
	}
	if strict.LoneSurrogate(value) {
		return "", badRequest(field, "it has half of a surrogate pair (\\ud800 to \\udfff), which is no character")
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", badRequest(field, "it is no valid string")
	}
	return s, nil
}

// kindOf names the type of a JSON value.
func kindOf(value json.RawMessage) string {
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

// targets reads a name or a list of names.
func targets(value json.RawMessage) (to []string, many bool, err error) {
	switch value[0] {
	case '"':
		name, err := text("to", value)
		return []string{name}, false, err
	case '[':
		to, err = targetList(value)
		return to, true, err
	}
	return nil, false, badRequest("to", "it has to be a string or a list of strings, not %s", kindOf(value))
}

func targetList(value json.RawMessage) ([]string, error) {
	// No name has a comma: a list with that many is too long without being read.
	if n := bytes.Count(value, []byte(",")); n >= maxTargets {
		return nil, badRequest("to", "the list has %d names, more than %d", n+1, maxTargets)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, badRequest("to", "it is no valid list")
	}
	if len(list) == 0 {
		return nil, badRequest("to", "the list is empty")
	}
	to := make([]string, len(list))
	for i, v := range list {
		name, err := text("to", bytes.TrimSpace(v))
		if err != nil {
			return nil, badRequest("to", "entry %d: %s", i, wirepost.AsError(err).Message)
		}
		to[i] = name
	}
	return to, nil
}

// setTTL reads a duration as a string, or a number of seconds.
func (f *fields) setTTL(value json.RawMessage) (err error) {
	switch c := value[0]; {
	case c == '"':
		var s string
		if s, err = text("ttl", value); err == nil {
			f.ttl, err = parseTTL(s)
		}
	case c == '-' || isDigit(c):
		f.ttl, err = parseSeconds(string(value))
	default:
		err = badRequest("ttl", "it has to be a duration or a number of seconds, not %s", kindOf(value))
	}
	return err
}

// uintField reads a sequence: an integer that is not negative.
func uintField(field string, value json.RawMessage) (uint64, error) {
	n, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil {
		return 0, badRequest(field, "it has to be an integer from 0 on, not %s", shorten(string(value)))
	}
	return n, nil
}

// shorten keeps an answer from repeating a long input.
func shorten(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
