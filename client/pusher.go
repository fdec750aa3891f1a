package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// Push is a message to be pushed.
type Push struct {
	To string // a channel: "user:42" is the inbox of user 42, "all" everybody's
	// Data is a JSON value, text or bytes, as ContentType says; "" means
	// application/json.
	Data        []byte
	ContentType string
	// ID makes the push idempotent: a repeat to the same channel within 24 hours
	// changes nothing. At most 128 bytes; "" means a random one, so that a push that
	// is tried again is never there twice.
	ID string
	// Key, at most 128 bytes, makes the message replace the channel's earlier one
	// with the same key.
	Key string
	// TTL is how long the message is worth delivering, in steps of a millisecond; 0
	// means as long as the channel keeps it.
	TTL time.Duration
}

// PushResult answers a Push.
type PushResult struct {
	To        string `json:"to"`
	ID        string `json:"id"`
	Seq       uint64 `json:"seq"`
	Online    int    `json:"online"`              // connections that were subscribed
	Duplicate bool   `json:"duplicate,omitempty"` // it was there already
}

// PusherOptions are all optional.
type PusherOptions struct {
	// Key is one of the server's API keys; none is needed in dev mode.
	Key string
	// HTTP is the client to use. Its Timeout, if it has one, also cuts streams. nil
	// means one of the pusher's own.
	HTTP *http.Client
	// MinWait and MaxWait bound the pause before another try, a random time up to a
	// limit that doubles from the one to the other; the server's Retry-After counts
	// more. 0 means 100 ms and 10 s.
	MinWait, MaxWait time.Duration
	// Attempts is how often a request is tried at most: of a stream, one after the
	// other without an answer. 0 means until the context ends.
	Attempts int
}

// Pusher is a backend's client. It is safe for concurrent use and needs no end.
type Pusher struct {
	base *url.URL
	opts PusherOptions
}

// NewPusher makes a Pusher for a server, "https://push.example.com", or one at a Unix
// socket, "unix:/run/wirepost.sock". It does not connect yet.
func NewPusher(server string, o PusherOptions) (*Pusher, error) {
	server, dialUnix, unix := dial.Unix(server)
	base, err := url.Parse(server)
	switch {
	case err != nil:
		return nil, err
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("client: %q is no http or https URL", base.Redacted())
	case unix && o.HTTP != nil:
		return nil, errors.New("client: PusherOptions.HTTP does not know the way to a Unix socket: leave it nil")
	case o.MinWait < 0 || o.MaxWait < 0:
		return nil, errors.New("client: PusherOptions.MinWait and MaxWait are not negative")
	}
	if o.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		if unix {
			transport.DialContext, transport.Proxy = dialUnix, nil
		}
		o.HTTP = &http.Client{Transport: transport}
	}
	if o.MinWait == 0 {
		o.MinWait = 100 * time.Millisecond
	}
	if o.MaxWait == 0 {
		o.MaxWait = max(10*time.Second, o.MinWait)
	}
	return &Pusher{base: base, opts: o}, nil
}

// Push pushes a message and waits for the server to have stored it. What may go
// better later (the network, 429 and 5xx) is tried again until the context ends: give
// it a deadline. Other refusals are a *RefusedError.
func (p *Pusher) Push(ctx context.Context, push Push) (PushResult, error) {
	list, err := p.PushTo(ctx, push, push.To)
	if err != nil {
		return PushResult{}, err
	}
	return list[0], nil
}

// PushTo pushes one message to several channels, at most 1000; push.To does not
// count. All names are checked first, and one bad name refuses the whole push. The
// results are in the order of the channels.
func (p *Pusher) PushTo(ctx context.Context, push Push, channels ...string) ([]PushResult, error) {
	body, err := encodePush(&push, channels)
	if err != nil {
		return nil, fmt.Errorf("push to %s: %w", strings.Join(channels, ","), err)
	}
	var answer pushAnswer
	if err := p.again(ctx, http.MethodPost, "/v1/push", body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Messages) != len(channels) {
		return nil, fmt.Errorf("%w: %d results for %d channels", ErrProtocol, len(answer.Messages), len(channels))
	}
	return answer.Messages, nil
}

type pushAnswer struct {
	Messages []PushResult `json:"messages"`
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
}

// encodePush writes a push for one channel, or several; it is given an ID if it has
// none.
func encodePush(push *Push, channels []string) ([]byte, error) {
	value, raw, err := wire.EncodeData(push.Data, push.ContentType)
	if err != nil {
		return nil, err
	}
	if push.ID == "" {
		push.ID = rand.Text()
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
	return json.Marshal(body)
}

// again does a request that may be repeated until it is answered for good.
func (p *Pusher) again(ctx context.Context, method, path string, body []byte, answer any) error {
	wait := backoff{first: p.opts.MinWait, limit: p.opts.MaxWait}
	for attempt := 1; ; attempt++ {
		err := p.do(ctx, method, path, body, answer)
		if err == nil || !mayRepeat(err) || ctx.Err() != nil || attempt == p.opts.Attempts {
			return err
		}
		if !sleep(ctx, pause(err, &wait)) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// mayRepeat says whether a request may go better later.
func mayRepeat(err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Temporary() || e.foreign
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return !untrusted && !errors.Is(err, ErrProtocol)
}

// pause is how long to wait after an error.
func pause(err error, wait *backoff) time.Duration {
	random := wait.next()
	if e, ok := errors.AsType[*RefusedError](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	return random
}

// maxAnswerBody bounds what is read of an answer, in bytes.
const maxAnswerBody = 64 << 20

// do does one request.
func (p *Pusher) do(ctx context.Context, method, path string, body []byte, answer any) error {
	r, err := p.request(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := p.opts.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBody))
	switch {
	case err != nil:
		return err
	case response.StatusCode < 200 || response.StatusCode > 299:
		return refused(response.StatusCode, response.Header, text)
	case answer == nil || response.StatusCode == http.StatusNoContent:
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%w: the answer is not understood: %w", ErrProtocol, err)
	}
	return nil
}

func (p *Pusher) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	address := strings.TrimRight(p.base.String(), "/") + path
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if p.opts.Key != "" {
		r.Header.Set("Authorization", "Bearer "+p.opts.Key)
	}
	return r, nil
}
