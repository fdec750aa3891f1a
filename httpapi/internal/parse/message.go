package parse

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
	"github.com/wirepost/wirepost/internal/wire"
)

// BytesType is the content type of data_base64 that names none.
const BytesType = "application/octet-stream"

// MaxTargets bounds the list of one push. For more there are streams.
const MaxTargets = 1000

// Parse reads a push and checks everything that can be checked without the server. The
// push that it returns has no target yet, and shares no memory with body.
func (f *Push) Parse(body []byte, maxData int) (wirepost.Push, error) {
	if !f.scan(body) {
		if err := f.strict(body); err != nil {
			return wirepost.Push{}, err
		}
	}
	if err := f.checkTargets(); err != nil {
		return wirepost.Push{}, err
	}
	return f.message(maxData)
}

func (f *Push) checkTargets() error {
	if len(f.To) == 0 {
		return BadRequest("to", "a push needs a target: the name of a channel, or a list of them")
	}
	for i, to := range f.To {
		err := wirepost.CheckChannel(to)
		switch {
		case err == nil:
		case f.many:
			return BadRequest("to", "entry %d: %s", i, wirepost.AsError(err).Message)
		default:
			return BadRequest("to", "%s", wirepost.AsError(err).Message)
		}
	}
	return nil
}

// message makes a push of the fields. Its data is a copy: the server keeps it.
func (f *Push) message(maxData int) (p wirepost.Push, err error) {
	p = wirepost.Push{ContentType: f.kind, ID: f.id, Key: f.key, TTL: f.ttl, Raw: true}
	field := "data"
	switch {
	case !HasSubtype(f.kind):
		return p, BadRequest("content_type", "%q is not a media type such as text/plain", Shorten(f.kind))
	case f.data != nil && f.base64 != nil:
		return p, BadRequest("data_base64", "a push has either data or data_base64, not both")
	case f.data != nil:
		p.Data, err = f.value()
	case f.base64 != nil:
		field = "data_base64"
		p.Data, err = decodeBase64(f.base64)
		if p.ContentType == "" {
			p.ContentType = BytesType
		}
	default:
		return p, BadRequest("data", "a push needs data or data_base64")
	}
	if err == nil && len(p.Data) > maxData {
		err = TooLarge(field, "the data has %d bytes, more than %d", len(p.Data), maxData)
	}
	return p, err
}

// value is the value of the data member: the JSON itself in compact form, or the text
// of a string.
func (f *Push) value() ([]byte, error) {
	switch wire.KindOf(f.kind) {
	case wire.JSON:
		if !f.spaced {
			return bytes.Clone(f.data), nil
		}
		var out bytes.Buffer
		out.Grow(len(f.data))
		if err := json.Compact(&out, f.data); err != nil {
			return nil, BadRequest("data", "broken JSON: %s", err)
		}
		return out.Bytes(), nil
	case wire.Text:
		if f.data[0] != '"' {
			return nil, BadRequest("data", "with the content type %q it must be a string, not %s", f.kind, strict.Kind(f.data))
		}
		if bytes.IndexByte(f.data, '\\') < 0 {
			return bytes.Clone(f.data[1 : len(f.data)-1]), nil
		}
		s, err := Text("data", f.data)
		return []byte(s), err
	}
	return nil, BadRequest("data", "with the content type %q it must be given as data_base64", f.kind)
}

func decodeBase64(src []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(src)))
	n, err := base64.StdEncoding.Decode(out, src)
	if err != nil {
		return nil, BadRequest("data_base64", "not base64 (RFC 4648 section 4, with padding): %s", err)
	}
	return out[:n:n], nil
}

// HasSubtype says whether a content type can be a media type: it has a slash
// (RFC 9110 §8.3.1). The server checks the rest. An empty one is valid.
func HasSubtype(contentType string) bool {
	return contentType == "" || strings.IndexByte(contentType, '/') > 0
}
