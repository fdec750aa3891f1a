package httpapi

import (
	"bytes"
	"net/http"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
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
		return parse.Unsupported("Content-Type", "%q is not supported: send %s, or %s for many pushes; "+
			"a raw body goes to /v1/push/{channel}", parse.Shorten(t), jsonType, ndjsonType)
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
	var f parse.Push
	p, err := f.Parse(body.Bytes(), a.maxData)
	if err != nil {
		return err
	}
	if len(f.To) == 1 {
		p.To = f.To[0]
		pushed, err := a.srv.Push(r.Context(), p)
		if err != nil {
			return err
		}
		return writePushed(w, []wirepost.PushResult{pushed})
	}
	t := newTargets(f.To)
	r.key.pace.reserve(len(t.names) - 1)
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

// targetSet is the targets of a push without repetitions: a channel that is named twice
// gets one message.
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

// results puts the results of the names into the order of the list. A repetition has the
// result of the first, as a duplicate.
func (t *targetSet) results(pushed []wirepost.PushResult) []wirepost.PushResult {
	if len(t.names) == len(t.to) {
		return pushed
	}
	out := make([]wirepost.PushResult, len(t.to))
	seen := make([]bool, len(pushed))
	for i, name := range t.to {
		k := t.index[name]
		out[i] = pushed[k]
		out[i].Duplicate = out[i].Duplicate || seen[k]
		seen[k] = true
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
		ttl, err := parse.TTL(r.query.Get("ttl"))
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
	if !parse.HasSubtype(p.ContentType) {
		return parse.BadRequest("Content-Type", "%q is not a media type such as text/plain", parse.Shorten(p.ContentType))
	}
	pushed, err := a.srv.Push(r.Context(), p)
	if err != nil {
		return err
	}
	return writePushed(w, []wirepost.PushResult{pushed})
}

// rawType is the content type of a raw body. Without one, or with that of a form, which
// curl -d sends for anything, it is text if the body is valid UTF-8.
func rawType(h http.Header, data []byte) string {
	switch t := h.Get("Content-Type"); {
	case t != "" && mediaType(h) != formType:
		return t
	case utf8.Valid(data):
		return textType
	}
	return parse.BytesType
}
