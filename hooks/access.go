package hooks

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/payload"
	"github.com/wirepost/wirepost/internal/strict"
	"github.com/wirepost/wirepost/internal/wire"
)

// question is the body of every request but connect.
type question struct {
	Type        string          `json:"type"`
	Connection  string          `json:"connection"`
	User        string          `json:"user"`
	Device      string          `json:"device"`
	Mode        string          `json:"mode"`
	Channel     string          `json:"channel,omitempty"`
	Method      *string         `json:"method,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  *[]byte         `json:"data_base64,omitempty"`
	ContentType string          `json:"content_type,omitempty"`
}

func about(kind string, s wirepost.Session) question {
	return question{Type: kind, Connection: s.Connection, User: s.User, Device: s.Device, Mode: s.Mode}
}

// payload sets the data of a question: as a JSON value, a string or base64, as its
// content type says.
func (q *question) payload(data []byte, contentType string) error {
	var err error
	q.ContentType = contentType
	if q.ContentType == "" {
		q.ContentType = wire.JSONType
	}
	q.Data, q.DataBase64, err = wire.EncodeData(data, contentType)
	return err
}

// onSubscribe is Options.OnSubscribe.
func (h *Hooks) onSubscribe(ctx context.Context, s wirepost.Session, channel string) error {
	q := about(Subscribe, s)
	q.Channel = channel
	return h.subscribe.ask(ctx, s.Connection, encode(q), func(r *response) error {
		err := r.allowed()
		if err == nil {
			_, err = r.data() // a page of HTML with status 200 allows nothing
		}
		return err
	})
}

// allowed reads the answer to a question whether something is allowed.
func (r *response) allowed() error {
	if refusal := r.refusal("the application does not allow this"); refusal != nil {
		e := wirepost.AsError(refusal)
		e.Code = wirepost.CodeForbidden // a 401, too: the connection is as it was
		return e
	}
	if !r.ok() {
		return r.unexpected()
	}
	return nil
}

// publisher makes the OnPublish of a server whose messages have at most that many bytes.
func (h *Hooks) publisher(maxMessage int) func(context.Context, wirepost.Session, *wirepost.Push) error {
	return func(ctx context.Context, s wirepost.Session, p *wirepost.Push) error {
		return h.onPublish(ctx, s, p, maxMessage)
	}
}

func (h *Hooks) onPublish(ctx context.Context, s wirepost.Session, p *wirepost.Push, maxMessage int) error {
	q := about(Publish, s)
	q.Channel = p.To
	if err := q.payload(p.Data, p.ContentType); err != nil {
		return err
	}
	return h.publish.ask(ctx, s.Connection, encode(q), func(r *response) error {
		if err := r.allowed(); err != nil {
			return err
		}
		d, err := r.data()
		if err != nil || d == nil {
			return err
		}
		if err := d.replace(p); err != nil {
			return err
		}
		return storable(p, maxMessage)
	})
}

// storable checks changed data as the server will, so that data that it would refuse counts
// as a failure of the backend.
func storable(p *wirepost.Push, maxMessage int) error {
	if len(p.Data) > maxMessage {
		return fmt.Errorf("the data of the response has %d bytes, more than %d", len(p.Data), maxMessage)
	}
	kind, err := payload.ParseType("content_type", p.ContentType)
	if err == nil {
		_, err = kind.Check(p.Data, p.Raw)
	}
	if err != nil {
		return fmt.Errorf("the data of the response: %w", err)
	}
	return nil
}

// answerData is the data of an answer.
type answerData struct {
	Data        json.RawMessage `json:"data"`
	DataBase64  *string         `json:"data_base64"`
	ContentType string          `json:"content_type"`

	bytes []byte // of DataBase64
}

// data returns the data of a response, or nil if it has none.
func (r *response) data() (*answerData, error) {
	if len(r.body) == 0 {
		return nil, nil
	}
	if !utf8.Valid(r.body) {
		return nil, errors.New("the response is not UTF-8") // a browser closes a connection that gets such a text
	}
	var d answerData
	if err := json.Unmarshal(r.body, &d); err != nil {
		return nil, fmt.Errorf("the response is not a JSON object: %q", clip(string(r.body), 200))
	}
	switch {
	case d.Data != nil && d.DataBase64 != nil:
		return nil, errors.New(`the response has both "data" and "data_base64"`)
	case d.DataBase64 != nil:
		var err error
		if d.bytes, err = base64.StdEncoding.DecodeString(*d.DataBase64); err != nil {
			return nil, errors.New(`"data_base64" of the response is not base64`)
		}
	case d.Data == nil:
		return nil, nil
	}
	return &d, nil
}

// text returns the data if it is a string.
func (d *answerData) text() (text []byte, ok bool) {
	if d.Data == nil {
		return nil, false
	}
	s, err := strict.String(d.Data)
	return []byte(s), err == nil
}

// replace sets the data of a push. It keeps the content type if the answer has none and
// the data suits it.
func (d *answerData) replace(p *wirepost.Push) error {
	kind := wire.KindOf(p.ContentType)
	if d.ContentType != "" {
		kind = wire.KindOf(d.ContentType)
		p.ContentType = d.ContentType
	}
	text, isText := d.text()
	switch {
	case d.DataBase64 != nil && d.ContentType == "" && kind != wire.Binary:
		p.Data, p.ContentType = d.bytes, "application/octet-stream"
	case d.DataBase64 != nil:
		p.Data = d.bytes
	case kind == wire.Text && isText:
		p.Data = text
	case kind == wire.JSON:
		p.Data = d.Data
	case d.ContentType == "":
		p.Data, p.ContentType = d.Data, ""
	default:
		return fmt.Errorf("the response has the content type %q and data of another kind", d.ContentType)
	}
	return nil
}
