package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/wire"
)

// maxTargets bounds the list of one push. Who has more to send streams lines.
const maxTargets = 1000

// The types of bodies that the API reads.
const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
	formType   = "application/x-www-form-urlencoded"
	bytesType  = "application/octet-stream"
	textType   = "text/plain"
)

// push is POST /v1/push.
func (a *api) push(w http.ResponseWriter, r *request) error {
	if err := checkEncoding(r.Header); err != nil {
		return err
	}
	switch t := mediaType(r.Header); {
	case isJSON(t):
		return a.pushJSON(w, r)
	case isNDJSON(t):
		return a.pushLines(w, r)
	default:
		return unsupported("Content-Type", "%q is not read here: send %s, or %s for many pushes; "+
			"a raw body goes to /v1/push/{channel}", shorten(t), jsonType, ndjsonType)
	}
}

func (a *api) pushJSON(w http.ResponseWriter, r *request) error {
	done, err := a.beginOne(r, a.maxJSON)
	if err != nil {
		return err
	}
	defer done()
	body := getBuffer()
	defer putBuffer(body)
	if err := readBody(body, w, r, a.maxJSON); err != nil {
		return err
	}
	var f fields
	p, err := a.parse(&f, body.Bytes())
	if err != nil {
		return err
	}
	if len(f.to) == 1 {
		p.To = f.to[0]
		pushed, err := a.srv.Push(r.Context(), p)
		if err != nil {
			return err
		}
		return writePushed(w, []wirepost.PushResult{pushed})
	}
	t := newTargets(f.to)
	r.key.pace.owe(len(t.names) - 1)
	pushes := make([]wirepost.Push, 0, len(t.names))
	for _, to := range t.names {
		p.To = to
		pushes = append(pushes, p)
	}
	pushed, err := a.srv.PushAll(r.Context(), pushes)
	if err != nil {
		return err
	}
	return writePushed(w, t.results(pushed))
}

// parse reads a push and checks all there is to check without the server. What
// it returns lacks the target and holds no part of body.
func (a *api) parse(f *fields, body []byte) (wirepost.Push, error) {
	if !f.scan(body) {
		if err := f.strict(body); err != nil {
			return wirepost.Push{}, err
		}
	}
	if err := f.checkTargets(); err != nil {
		return wirepost.Push{}, err
	}
	return f.message(a.maxData)
}

func (f *fields) checkTargets() error {
	if len(f.to) == 0 {
		return badRequest("to", "a push needs a target: the name of a channel, or a list of them")
	}
	for i, to := range f.to {
		err := wirepost.CheckChannel(to)
		switch {
		case err == nil:
		case f.many:
			return badRequest("to", "entry %d: %s", i, wirepost.AsError(err).Message)
		default:
			return badRequest("to", "%s", wirepost.AsError(err).Message)
		}
	}
	return nil
}

// message makes a push of the fields. Its data is a copy: the server keeps it.
func (f *fields) message(maxData int) (p wirepost.Push, err error) {
	p = wirepost.Push{ContentType: f.kind, ID: f.id, Key: f.key, TTL: f.ttl, Raw: true}
	field := "data"
	switch {
	case !hasSubtype(f.kind):
		return p, badRequest("content_type", "%q is no media type such as text/plain", shorten(f.kind))
	case f.data != nil && f.base64 != nil:
		return p, badRequest("data_base64", "there is data already: a push has either data or data_base64")
	case f.data != nil:
		p.Data, err = f.value()
	case f.base64 != nil:
		field = "data_base64"
		p.Data, err = decodeBase64(f.base64)
		if p.ContentType == "" {
			p.ContentType = bytesType
		}
	default:
		return p, badRequest("data", "a push needs data or data_base64")
	}
	if err == nil && len(p.Data) > maxData {
		err = tooLarge(field, "the data has %d bytes, more than %d", len(p.Data), maxData)
	}
	return p, err
}

// value is what the data member stands for: the JSON value itself in compact
// form, or the text of a string.
func (f *fields) value() ([]byte, error) {
	switch wire.KindOf(f.kind) {
	case wire.JSON:
		if !f.spaced {
			return bytes.Clone(f.data), nil
		}
		var out bytes.Buffer
		out.Grow(len(f.data))
		if err := json.Compact(&out, f.data); err != nil {
			return nil, badRequest("data", "broken JSON: %s", err)
		}
		return out.Bytes(), nil
	case wire.Text:
		if f.data[0] != '"' {
			return nil, badRequest("data", "with the content type %q it has to be a string, not %s", f.kind, kindOf(f.data))
		}
		if bytes.IndexByte(f.data, '\\') < 0 {
			return bytes.Clone(f.data[1 : len(f.data)-1]), nil
		}
		s, err := text("data", f.data)
		return []byte(s), err
	}
	return nil, badRequest("data", "with the content type %q it has to be given as data_base64", f.kind)
}

func decodeBase64(src []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(src)))
	n, err := base64.StdEncoding.Decode(out, src)
	if err != nil {
		return nil, badRequest("data_base64", "no base64 (RFC 4648 section 4, with padding): %s", err)
	}
	return out[:n:n], nil
}

// targetSet is the names of a push without repetitions: a channel that is named
// twice gets one message.
type targetSet struct {
	to    []string
	names []string // each once; to itself if there is no repetition
	index map[string]int
}

func newTargets(to []string) targetSet {
	t := targetSet{to: to, index: make(map[string]int, len(to))}
	for _, name := range to {
		if _, found := t.index[name]; !found {
			t.index[name] = len(t.names)
			t.names = append(t.names, name)
		}
	}
	return t
}

// results puts what became of the names into the order of the list. A repetition
// has the result of the first, as a duplicate.
func (t *targetSet) results(pushed []wirepost.PushResult) []wirepost.PushResult {
	if len(t.names) == len(t.to) {
		return pushed
	}
	out := make([]wirepost.PushResult, len(t.to))
	told := make([]bool, len(pushed))
	for i, name := range t.to {
		k := t.index[name]
		out[i] = pushed[k]
		out[i].Duplicate = out[i].Duplicate || told[k]
		told[k] = true
	}
	return out
}

// pushRaw is POST /v1/push/{channel}.
func (a *api) pushRaw(w http.ResponseWriter, r *request) error {
	p := wirepost.Push{To: r.channel, Raw: true, ID: r.query.Get("id"), Key: r.query.Get("key")}
	if err := wirepost.CheckChannel(p.To); err != nil {
		return err
	}
	if err := checkEncoding(r.Header); err != nil {
		return err
	}
	if r.query.Has("ttl") {
		ttl, err := parseTTLQuery(r.query.Get("ttl"))
		if err != nil {
			return err
		}
		p.TTL = ttl
	}
	done, err := a.beginOne(r, a.maxData)
	if err != nil {
		return err
	}
	defer done()
	body := getBuffer()
	defer putBuffer(body)
	if err := readBody(body, w, r, a.maxData); err != nil {
		return err
	}
	p.Data = bytes.Clone(body.Bytes())
	p.ContentType = rawType(r.Header, p.Data)
	if !hasSubtype(p.ContentType) {
		return badRequest("Content-Type", "%q is no media type such as text/plain", shorten(p.ContentType))
	}
	pushed, err := a.srv.Push(r.Context(), p)
	if err != nil {
		return err
	}
	return writePushed(w, []wirepost.PushResult{pushed})
}

// rawType is the type of a raw body: as it was sent. No type, or that of a form,
// which is what curl -d says of anything, is text if it can be.
func rawType(h http.Header, data []byte) string {
	switch t := h.Get("Content-Type"); {
	case t != "" && mediaType(h) != formType:
		return t
	case utf8.Valid(data):
		return textType
	}
	return bytesType
}

// hasSubtype says whether a content type can be a media type: it has a slash
// (RFC 9110 §8.3.1). The server looks at the rest. None at all is fine.
func hasSubtype(contentType string) bool {
	return contentType == "" || strings.IndexByte(contentType, '/') > 0
}

// mediaType is the type of the body without parameters, in lower case.
func mediaType(h http.Header) string {
	t, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// isJSON takes a body without a type for JSON.
func isJSON(mediaType string) bool {
	return mediaType == "" || mediaType == jsonType || strings.HasSuffix(mediaType, "+json")
}

func isNDJSON(mediaType string) bool {
	return mediaType == ndjsonType || mediaType == "application/ndjson"
}
