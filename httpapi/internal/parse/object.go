package parse

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/strict"
)

// EachMember reads a JSON object and nothing after it, and calls fn with every
// member; fn returns ErrUnknown for a name that it does not know. Broken JSON, bytes
// that are not UTF-8, unknown names and repeated ones are errors that say where.
func EachMember(body []byte, fn func(name string, value json.RawMessage) error) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	// The text is valid from here on, so no error of dec can occur.
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, _ := dec.Token(); first != json.Delim('{') {
		return BadRequest("", "the body must be a JSON object")
	}
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return BadRequest("", "broken JSON at byte %d", dec.InputOffset())
		}
		if seen[name] {
			return BadRequest(name, "the field is given twice, the second time before byte %d", dec.InputOffset())
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return BadRequest(name, "broken JSON at byte %d", dec.InputOffset())
		}
		switch err := fn(name, value); {
		case errors.Is(err, ErrUnknown):
			return BadRequest(name, "there is no field %q here (before byte %d)", name, dec.InputOffset())
		case err != nil:
			return err
		}
	}
	return nil
}

// ErrUnknown says that an object has no member of that name.
var ErrUnknown = errors.New("unknown field")

// checkJSON reports whether the body is one JSON value in UTF-8, or where it is not.
func checkJSON(body []byte) error {
	for i := 0; !utf8.Valid(body[i:]); {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && size == 1 {
			return BadRequest("", "the body is not valid UTF-8 at byte %d", i)
		}
		i += size
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return BadRequest("", "the body is empty, a JSON object is needed")
	}
	err := json.Unmarshal(body, new(json.RawMessage))
	if err == nil {
		return nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return BadRequest("", "%s", strict.Broken(body, syntax))
	}
	return BadRequest("", "broken JSON: %s", err)
}

// Text reads a string. One that cannot be written in UTF-8 is refused, where
// encoding/json would put a replacement character.
func Text(field string, value json.RawMessage) (string, error) {
	if value[0] != '"' {
		return "", BadRequest(field, "it must be a string, not %s", strict.Kind(value))
	}
	if strict.LoneSurrogate(value) {
		return "", BadRequest(field, "it contains half of a surrogate pair (\\ud800 to \\udfff), which is not a character")
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", BadRequest(field, "it is not a valid string")
	}
	return s, nil
}

// Uint reads a sequence: an integer that is not negative.
func Uint(field string, value json.RawMessage) (uint64, error) {
	n, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil {
		return 0, BadRequest(field, "it must be an integer from 0 on, not %s", Shorten(string(value)))
	}
	return n, nil
}
