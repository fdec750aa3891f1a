// Package payload owns the rules for the data of messages: which content types there
// are, and in which form data of each is stored.
package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/jsonscan"
	"github.com/wirepost/wirepost/internal/wire"
)

// The content types of data that has none.
const (
	TextType  = "text/plain"
	BytesType = "application/octet-stream"
)

// Data is data in the form in which it is stored, with its content type. Only this
// package makes one, after it has checked the data, so the receiver of a Data need not
// check it again.
type Data struct {
	bytes       []byte
	contentType string
}

// Bytes returns the data. It must not be changed.
func (d Data) Bytes() []byte { return d.bytes }

// ContentType returns the content type as the publisher gave it; "" means JSON.
func (d Data) ContentType() string { return d.contentType }

// NewPush is a func(Data) wirepost.Push, set by package wirepost. Its Push is not checked
// again. It is a variable so that wirepost need not export a function that only this
// module can call.
var NewPush any

// Type is a valid content type.
type Type struct {
	name string
	kind wire.Kind
}

const maxType = 256 // bytes

// ParseType checks a content type. Field is the name of it in errors.
func ParseType(field, name string) (Type, error) {
	t := Type{name, wire.KindOf(name)}
	if name == "" || name == wire.JSONType || name == TextType {
		return t, nil
	}
	if len(name) > maxType {
		return t, fault.Field(field, "%d bytes, more than %d", len(name), maxType)
	}
	mediaType, _, err := mime.ParseMediaType(name)
	switch {
	case err != nil:
		return t, fault.Field(field, "%q is not a media type such as text/plain: %s", name, err)
	case strings.IndexByte(mediaType, '/') <= 0: // RFC 9110 §8.3.1
		return t, fault.Field(field, "%q is not a media type such as text/plain: it has no subtype", name)
	}
	return t, nil
}

// Kind returns the kind of data that the type is for.
func (t Type) Kind() wire.Kind { return t.kind }

// Check checks data against the type. JSON is brought into compact form, unless it is to
// be kept raw. Where the form does not change, the result shares the memory of data.
func (t Type) Check(data []byte, raw bool) (Data, error) {
	d := Data{data, t.name}
	switch {
	case t.kind == wire.Binary:
	case t.kind == wire.JSON && jsonscan.IsCompact(data): // the usual case, in one fast pass
	case !utf8.Valid(data):
		return Data{}, fault.Field("data", "not valid UTF-8, as the content type %q asks for", t.name)
	case t.kind == wire.Text:
	case raw:
		if !json.Valid(data) {
			return Data{}, fault.Field("data", "not one JSON value, as the content type %q asks for", t.name)
		}
		return d.unlessDeep()
	default:
		return t.compact(data)
	}
	return d, nil
}

// CopyJSON makes data of a JSON value: the value itself in compact form if the type is
// JSON, and the text of a string without escapes if the type is text. It is false for
// everything else. The result shares no memory with the value.
func (t Type) CopyJSON(v jsonscan.Text) (Data, bool) {
	switch t.kind {
	case wire.JSON:
		return Data{v.Compact(), t.name}, true
	case wire.Text:
		if s, ok := v.Plain(); ok {
			return Data{bytes.Clone(s), t.name}, true
		}
	}
	return Data{}, false
}

// Untyped makes data of bytes without a content type: text if they are valid UTF-8.
func Untyped(data []byte) Data {
	if utf8.Valid(data) {
		return Data{data, TextType}
	}
	return Data{data, BytesType}
}

func (t Type) compact(data []byte) (Data, error) {
	var out bytes.Buffer
	out.Grow(len(data))
	if err := json.Compact(&out, data); err != nil {
		return Data{}, notJSON(data)
	}
	return Data{out.Bytes(), t.name}.unlessDeep()
}

// notJSON says where JSON is broken. The rest of the error's text is left out: for anything
// but ASCII it names a byte as if it were a character.
func notJSON(data []byte) error {
	at := ""
	err := json.Unmarshal(data, new(json.RawMessage)) // unlike that of Compact, its error has the offset
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = fmt.Sprintf(" at byte %d", syntax.Offset)
	}
	return fault.Field("data", "not JSON%s: for text, set the content type to text/plain", at)
}

// maxNesting is how deep arrays and objects may be nested. A message is embedded in
// other JSON, whose readers have limits (encoding/json at 10 000).
const maxNesting = 1000

// unlessDeep refuses valid JSON that is nested too deep.
func (d Data) unlessDeep() (Data, error) {
	if bytes.Count(d.bytes, []byte{'['})+bytes.Count(d.bytes, []byte{'{'}) <= maxNesting {
		return d, nil
	}
	depth, inString := 0, false
	for i := 0; i < len(d.bytes); i++ {
		switch c := d.bytes[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > maxNesting {
				return Data{}, fault.Field("data", "arrays and objects are nested more than %d deep", maxNesting)
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return d, nil
}
