package parse

import (
	"encoding/base64"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/payload"
	"github.com/wirepost/wirepost/internal/strict"
	"github.com/wirepost/wirepost/internal/wire"
)

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
func (f *Push) message(maxData int) (wirepost.Push, error) {
	field, data, err := f.content()
	if err != nil {
		return wirepost.Push{}, err
	}
	if n := len(data.Bytes()); n > maxData {
		return wirepost.Push{}, TooLarge(field, "the data has %d bytes, more than %d", n, maxData)
	}
	p := NewPush(data)
	p.ID, p.Key, p.TTL, p.At, p.Delay, p.TraceParent = f.id, f.key, f.ttl, f.at, f.delay, f.trace
	p.Escalate, p.Until, p.Notification = f.escalate, f.until, f.notification
	return p, nil
}

// NewPush makes a push of data that the server does not check again.
var NewPush = payload.NewPush.(func(payload.Data) wirepost.Push)

// content is the data of the push, and the field that it was in.
func (f *Push) content() (field string, d payload.Data, err error) {
	t, err := payload.ParseType("content_type", f.kind)
	switch {
	case err != nil:
		return "", d, err
	case f.data != nil && f.base64 != nil:
		return "", d, BadRequest("data_base64", "a push has either data or data_base64, not both")
	case f.data != nil:
		d, err = f.value(t)
		return "data", d, err
	case f.base64 != nil:
		d, err = f.bytes(t)
		return "data_base64", d, err
	}
	return "", d, BadRequest("data", "a push needs data or data_base64")
}

// value is the value of the data member: the JSON itself in compact form, or the text
// of a string.
func (f *Push) value(t payload.Type) (payload.Data, error) {
	if f.scanned {
		if d, ok := t.CopyJSON(f.text); ok {
			return d, nil
		}
	}
	switch t.Kind() {
	case wire.JSON: // unusual, and strict made a copy of it
		return t.Check(f.data, false)
	case wire.Text:
		if f.data[0] != '"' {
			return payload.Data{}, BadRequest("data", "with the content type %q it must be a string, not %s", f.kind, strict.Kind(f.data))
		}
		s, err := Text("data", f.data)
		if err != nil {
			return payload.Data{}, err
		}
		return t.Check([]byte(s), true)
	}
	return payload.Data{}, BadRequest("data", "with the content type %q it must be given as data_base64", f.kind)
}

// bytes is the value of the data_base64 member.
func (f *Push) bytes(t payload.Type) (payload.Data, error) {
	data, err := decodeBase64(f.base64)
	if err != nil {
		return payload.Data{}, err
	}
	if f.kind == "" {
		t, _ = payload.ParseType("", payload.BytesType)
	}
	d, err := t.Check(data, true)
	if err != nil {
		e := *wirepost.AsError(err)
		e.Field = "data_base64"
		return d, &e
	}
	return d, nil
}

func decodeBase64(src []byte) ([]byte, error) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(src)))
	n, err := base64.StdEncoding.Decode(out, src)
	if err != nil {
		return nil, BadRequest("data_base64", "not base64 (RFC 4648 section 4, with padding): %s", err)
	}
	return out[:n:n], nil
}
