package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// Push is a message to be pushed.
type Push struct {
	To string // a channel: "user:42" is the inbox of user 42, "all" that of everybody
	// Data is a JSON value, text or bytes, as ContentType says; "" means
	// application/json.
	Data        []byte
	ContentType string
	// ID makes the push idempotent: a repeat to the same channel within 24 hours
	// changes nothing. At most 128 bytes; "" means a random one, so that an attempt
	// that is repeated never stores the message twice.
	ID string
	// Key, at most 128 bytes, makes the message replace the channel's earlier one
	// with the same key.
	Key string
	// TTL is how long the message is worth delivering, in steps of a millisecond; 0
	// means as long as the channel keeps it.
	TTL time.Duration
	// At, or Delay from now on, schedules the push for a time within a year, with a precision
	// of a millisecond. A scheduled push is stored at once and made once. A repeat with its ID
	// does not move it; the TTL begins now.
	At    time.Time
	Delay time.Duration
	// Escalate are the steps, in the order of their times, that the server takes unless a device
	// has acknowledged the message by then; with UntilRead, unless the user has read it. Only
	// messages to users have them. Nil means those of the channel's policy, and an empty slice
	// none.
	Escalate []EscalationStep
	Until    EscalationUntil // "": that of the policy, else UntilAcknowledged
	// Notification is what Web Push shows: a JSON object with title, body, icon, url and so
	// on, of at most 3 KiB.
	Notification json.RawMessage
	// TraceParent is the span that the push belongs to, in the form of the traceparent header
	// (W3C Trace Context). Pushes that share a request have each their own.
	TraceParent string
}

// PushResult is the result of a Push.
type PushResult struct {
	To        string `json:"to"`
	ID        string `json:"id"`
	Seq       uint64 `json:"seq"`
	Online    int    `json:"online"`              // connections that were subscribed
	Duplicate bool   `json:"duplicate,omitempty"` // it was stored by an earlier push
	// At is when a scheduled push is made; then Seq is 0 and only To, ID and Duplicate are
	// set besides.
	At time.Time `json:"-"`
}

// pushAlone is a request of one push to one channel.
func (q *requester) pushAlone(ctx context.Context, node int, body []byte) (PushResult, error) {
	results, err := q.post(ctx, node, body, 1)
	if err != nil {
		return PushResult{}, err
	}
	return results[0], nil
}

// post is a request of one push to n channels.
func (q *requester) post(ctx context.Context, node int, body []byte, n int) ([]PushResult, error) {
	var response pushResponse
	err := q.once(ctx, node, call{method: http.MethodPost, path: pushPath, body: body, result: &response})
	results := response.results()
	if err == nil && len(results) != n {
		err = fmt.Errorf("%w: %d results for %d channels", ErrProtocol, len(results), n)
	}
	return results, err
}

const pushPath = "/v1/push"

// pushResponse is the response to a push: to one that is made at once, or is scheduled.
type pushResponse struct {
	Messages  []PushResult      `json:"messages"`
	Scheduled []scheduledResult `json:"scheduled"`
}

func (r *pushResponse) results() []PushResult {
	results := r.Messages
	for _, s := range r.Scheduled {
		results = append(results, PushResult{To: s.To, ID: s.ID, Duplicate: s.Duplicate, At: time.UnixMilli(s.At)})
	}
	return results
}

// scheduledResult is a scheduled push.
type scheduledResult struct {
	To        string `json:"to"`
	ID        string `json:"id"`
	At        int64  `json:"at"` // in ms since the epoch
	Duplicate bool   `json:"duplicate"`
}

// isPlain reports whether a push has only what appendPush writes.
func isPlain(p *Push) bool {
	return p.At.IsZero() && p.Delay == 0 && p.Escalate == nil && p.Until == "" && p.Notification == nil && p.TraceParent == ""
}

// appendPush encodes the usual push to one channel as encoding/json does, with less work. Its
// data is JSON in one line.
func appendPush(p *Push, channel string, data []byte) []byte {
	b := make([]byte, 0, 80+len(channel)+len(data)+len(p.ContentType)+len(p.ID)+len(p.Key))
	b = wire.AppendString(append(b, `{"to":`...), channel)
	b = append(append(b, `,"data":`...), data...)
	if p.ContentType != "" {
		b = wire.AppendString(append(b, `,"content_type":`...), p.ContentType)
	}
	b = wire.AppendString(append(b, `,"id":`...), p.ID)
	if p.Key != "" {
		b = wire.AppendString(append(b, `,"key":`...), p.Key)
	}
	if p.TTL != 0 {
		b = wire.AppendString(append(b, `,"ttl":`...), p.TTL.String())
	}
	return append(b, '}')
}

// pushBody is a push as POST /v1/push takes it.
type pushBody struct {
	To          any             `json:"to"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  *[]byte         `json:"data_base64,omitempty"`
	ContentType string          `json:"content_type,omitempty"`
	ID          string          `json:"id"`
	Key         string          `json:"key,omitempty"`
	TTL         string          `json:"ttl,omitempty"`
	At          int64           `json:"at,omitempty"`
	Delay       string          `json:"delay,omitempty"`

	Escalate     *[]EscalationStep `json:"escalate,omitempty"`
	Until        EscalationUntil   `json:"until,omitempty"`
	Notification json.RawMessage   `json:"notification,omitempty"`
	TraceParent  string            `json:"traceparent,omitempty"`
}

// encodePush encodes a push to one or several channels, and gives it an ID if it has
// none.
func encodePush(push *Push, channels []string) ([]byte, error) {
	if len(channels) == 0 {
		return nil, fmt.Errorf("push: %w: at least one channel is needed", ErrBadRequest)
	}
	if slices.Contains(channels, "") {
		return nil, fmt.Errorf("push: %w: a channel is empty", ErrBadRequest)
	}
	value, raw, err := wire.EncodeData(push.Data, push.ContentType)
	if err != nil {
		return nil, fmt.Errorf("push to %s: %w: %w", strings.Join(channels, ","), ErrBadRequest, err)
	}
	if push.ID == "" {
		push.ID = rand.Text()
	}
	if len(channels) == 1 && raw == nil && isPlain(push) && bytes.IndexByte(value, '\n') < 0 {
		return appendPush(push, channels[0], value), nil
	}
	body := pushBody{
		To: channels, Data: value, DataBase64: raw, ContentType: push.ContentType, ID: push.ID, Key: push.Key,
	}
	if len(channels) == 1 {
		body.To = channels[0]
	}
	if push.TTL != 0 {
		body.TTL = push.TTL.String()
	}
	if !push.At.IsZero() {
		body.At = push.At.UnixMilli()
	}
	if push.Delay != 0 {
		body.Delay = push.Delay.String()
	}
	if push.Escalate != nil {
		body.Escalate = &push.Escalate
	}
	body.Until, body.Notification, body.TraceParent = push.Until, push.Notification, push.TraceParent
	return json.Marshal(body)
}
