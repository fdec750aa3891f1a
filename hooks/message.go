package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/wire"
)

const plain = "plain" // wirepost.Session.Mode

// onMessage is Options.OnMessage.
func (h *Hooks) onMessage(ctx context.Context, s wirepost.Session, f wirepost.Frame) (reply wirepost.Frame, err error) {
	q, contentType := about(Message, s), f.ContentType
	if s.Mode == plain {
		contentType = "text/plain"
		if f.Binary {
			contentType = "application/octet-stream"
		}
	}
	if err := q.payload(f.Data, contentType); err != nil {
		return reply, err
	}
	err = h.message.ask(ctx, s.Connection, encode(q), func(r *response) error {
		if !r.ok() {
			return r.answeredError()
		}
		d, err := r.data()
		if err == nil && d != nil {
			reply = d.frame(s.Mode)
		}
		return err
	})
	if err != nil && s.Mode == plain {
		// It has no words for a refusal: the connection is closed with 1013, and the client
		// comes back.
		err = &wirepost.Error{Code: wirepost.CodeUnavailable, Message: "the message was not accepted", Err: err}
	}
	return reply, err
}

// frame is the data as a reply. In plain mode a string is sent as its text, just as a text
// frame is a string in the question, unless the answer says that it is JSON.
func (d *answerData) frame(mode string) wirepost.Frame {
	if d.DataBase64 != nil {
		return wirepost.Frame{Binary: true, Data: d.bytes}
	}
	if string(d.Data) == "null" {
		return wirepost.Frame{} // a way to say that there is no reply
	}
	if text, ok := d.text(); ok && mode == plain && (d.ContentType == "" || wire.KindOf(d.ContentType) != wire.JSON) {
		return wirepost.Frame{Data: text}
	}
	return wirepost.Frame{Data: compact(d.Data)}
}

// onCall is Options.OnCall.
func (h *Hooks) onCall(ctx context.Context, s wirepost.Session, method string, data json.RawMessage) (result any, err error) {
	q := about(Call, s)
	q.Method, q.Data = &method, data
	err = h.call.ask(ctx, s.Connection, encode(q), func(r *response) error {
		if !r.ok() {
			return r.answeredError()
		}
		d, err := r.data()
		switch {
		case err != nil || d == nil:
			return err
		case d.DataBase64 != nil:
			return errors.New(`the response to a call has "data_base64", and its result is JSON: put it into "data"`)
		}
		result = d.Data
		return nil
	})
	return result, err
}

// answeredError is the error that the application answers a message or a call with: that
// of its problem details. A client can choose what it sends, so a status below 500 is not
// a failure of the backend.
func (r *response) answeredError() error {
	p := r.problem()
	code := wirepost.Code(p.Code)
	switch {
	case validCode.MatchString(p.Code):
	case r.status >= 500 || r.status < 400:
		return r.unexpected()
	default:
		code = codeOf(r.status)
	}
	if p.Detail == "" {
		p.Detail = "the application refused this"
	}
	return wirepost.Errorf(code, "%s", p.Detail)
}

// validCode matches the codes of applications that are passed to clients.
var validCode = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func codeOf(status int) wirepost.Code {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return wirepost.CodeForbidden
	case http.StatusNotFound:
		return wirepost.CodeNotFound
	case http.StatusRequestEntityTooLarge:
		return wirepost.CodeTooLarge
	case http.StatusTooManyRequests:
		return wirepost.CodeRateLimited
	}
	return wirepost.CodeBadRequest
}

// compact is a JSON value without white space.
func compact(value json.RawMessage) []byte {
	var b bytes.Buffer
	json.Compact(&b, value) //nolint:errcheck // it was parsed
	return b.Bytes()
}
