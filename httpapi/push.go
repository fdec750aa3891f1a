package httpapi

import (
	"bytes"
	"context"
	"net/http"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
	"github.com/wirepost/wirepost/internal/payload"
	"github.com/wirepost/wirepost/internal/trace"
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
	weight, err := a.beginOne(r, a.maxJSON)
	if err != nil {
		return err
	}
	defer a.memory.release(weight)
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
		pushed, err := a.srv.Push(r.pushContext(), p)
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
	pushed, err := a.srv.PushAll(r.pushContext(), pushes)
	if err != nil {
		return err
	}
	return writePushed(w, t.results(pushed))
}

// pushContext is the context of a push, with the span of the caller if there is one.
func (r *request) pushContext() context.Context {
	return trace.With(r.Context(), r.Header.Get("Traceparent"))
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
	if err := wirepost.CheckChannel(r.channel); err != nil {
		return err
	}
	if err := checkEncoding(r.Header); err != nil {
		return err
	}
	times, err := queryTimes(r)
	if err != nil {
		return err
	}
	weight, err := a.beginOne(r, a.maxData)
	if err != nil {
		return err
	}
	defer a.memory.release(weight)
	body := getBuffer()
	defer putBuffer(body)
	if err := readBody(body, w, r, a.maxData); err != nil {
		return err
	}
	data, err := rawData(r.Header, bytes.Clone(body.Bytes()))
	if err != nil {
		return err
	}
	p := parse.NewPush(data)
	p.To, p.ID, p.Key = r.channel, r.query.Get("id"), r.query.Get("key")
	p.TTL, p.At, p.Delay = times.TTL, times.At, times.Delay
	pushed, err := a.srv.Push(r.pushContext(), p)
	if err != nil {
		return err
	}
	return writePushed(w, []wirepost.PushResult{pushed})
}

// queryTimes reads the times of a push in the query, into a push that has nothing else.
func queryTimes(r *request) (p wirepost.Push, err error) {
	if r.query.Has("ttl") {
		p.TTL, err = parse.Duration("ttl", r.query.Get("ttl"))
	}
	if r.query.Has("delay") && err == nil {
		p.Delay, err = parse.Duration("delay", r.query.Get("delay"))
	}
	if r.query.Has("at") && err == nil {
		p.At, err = parse.At("at", r.query.Get("at"))
	}
	return p, err
}

// rawData checks a raw body. Without a content type, or with that of a form, which
// curl -d sends for anything, it is text if it is valid UTF-8.
func rawData(h http.Header, body []byte) (payload.Data, error) {
	contentType := h.Get("Content-Type")
	if contentType == "" || mediaType(h) == formType {
		return payload.Untyped(body), nil
	}
	t, err := payload.ParseType("Content-Type", contentType)
	if err != nil {
		return payload.Data{}, err
	}
	return t.Check(body, true)
}
