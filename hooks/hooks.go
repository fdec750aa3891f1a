// Package hooks lets a backend in any language decide what a Go program decides by the
// callbacks of wirepost.Options: who a client is, what it may subscribe to and publish,
// and what becomes of its messages and calls. Each question is a signed POST request;
// docs/hooks.md describes requests and responses.
//
// New makes the hooks, and Hooks.Apply sets the callbacks that call them. The other files
// are in the order of a request: connect.go, access.go and message.go make the questions
// and read the answers; ask.go sends one, after gate.go, which limits how many are under
// way, and breaker.go, which keeps requests from a backend that does not respond.
package hooks

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/outbound"
	"github.com/wirepost/wirepost/internal/signing"
)

// Options configures hooks. A hook without a URL, its own or that of all, is not called.
type Options struct {
	URL string // of every hook that has none of its own

	Connect   string // who a client without a token is
	Subscribe string // for policies with wirepost.AccessHook
	Publish   string // likewise
	Message   string // what clients send
	Call      string // call frames of wirepost.v1

	// Secrets sign the requests, as whsec_ and base64 of at least 24 bytes: with each one,
	// so that a new secret can be added before the old one is removed. Without secrets
	// requests are not signed.
	Secrets []string
	// Timeout limits each request, including the wait for Concurrency. 0: 5 s.
	Timeout time.Duration
	// Concurrency is how many requests may be under way. 0: 256.
	Concurrency int
	// Headers are the headers of connect requests that are passed on. Nil: DefaultHeaders.
	Headers []string
	// MaxResponse limits the body of a response, in bytes. 0: 1 MiB.
	MaxResponse int
	// Transport sends the requests. Nil: one that keeps connections alive and uses HTTP/2
	// where the backend does.
	Transport http.RoundTripper
	Logger    *slog.Logger // nil: slog.Default()
}

// DefaultHeaders are the headers that are passed on unless Options.Headers is set.
// X-Forwarded-For is the address of the client as the server knows it, and not what the
// client sent.
var DefaultHeaders = []string{"cookie", "authorization", "user-agent", "accept-language", "x-forwarded-for"}

// The kinds of hooks, as in the type of a question and in metrics.
const (
	Connect   = "connect"
	Subscribe = "subscribe"
	Publish   = "publish"
	Message   = "message"
	Call      = "call"
)

// Hooks asks a backend. It is safe for concurrent use.
type Hooks struct {
	client    *outbound.Client
	transport *http.Transport // nil: Options.Transport is used
	secrets   []signing.Secret
	timeout   time.Duration
	limit     int64
	headers   []string // in lower case
	gate      *gate
	logger    *slog.Logger

	connect, subscribe, publish, message, call *hook // nil: there is no URL
}

// New checks the options and makes the hooks.
func New(o Options) (*Hooks, error) {
	h := &Hooks{
		timeout: cmp.Or(o.Timeout, 5*time.Second), limit: int64(cmp.Or(o.MaxResponse, 1<<20)),
		gate: newGate(cmp.Or(o.Concurrency, 256)), logger: o.Logger,
	}
	if h.timeout < 0 || h.limit < 0 || o.Concurrency < 0 {
		return nil, errors.New("hooks: a timeout, concurrency or size is negative")
	}
	if h.logger == nil {
		h.logger = slog.Default()
	}
	for _, text := range o.Secrets {
		secret, err := signing.ParseSecret(text)
		if err != nil {
			return nil, fmt.Errorf("hooks: %w", err)
		}
		h.secrets = append(h.secrets, secret)
	}
	for _, k := range []struct {
		kind, url string
		hook      **hook
	}{
		{Connect, o.Connect, &h.connect},
		{Subscribe, o.Subscribe, &h.subscribe},
		{Publish, o.Publish, &h.publish},
		{Message, o.Message, &h.message},
		{Call, o.Call, &h.call},
	} {
		at := cmp.Or(k.url, o.URL)
		if at == "" {
			continue
		}
		if err := CheckURL(at); err != nil {
			return nil, fmt.Errorf("hooks: %s: %w", k.kind, err)
		}
		*k.hook = &hook{of: h, kind: k.kind, url: at}
	}
	if o.Headers == nil {
		o.Headers = DefaultHeaders
	}
	for _, name := range o.Headers {
		h.headers = append(h.headers, strings.ToLower(name))
	}
	h.open(o.Transport)
	return h, nil
}

// CheckURL refuses what is not the URL of a hook: http or https with a host. The error does
// not contain it, because there may be a secret in it.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("it is not an http or https URL, such as https://app.example.com/wirepost")
	case u.Fragment != "":
		return errors.New("it has a fragment, which is not sent")
	}
	return nil
}

// open makes the client of the requests.
func (h *Hooks) open(transport http.RoundTripper) {
	if transport == nil {
		h.transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: h.timeout, KeepAlive: 15 * time.Second}).DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    h.timeout,
			MaxIdleConnsPerHost:    cap(h.gate.slots),
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // so that the limit of a response is one of its size on the wire
		}
		transport = h.transport
	}
	h.client = outbound.New(transport, 0)
}

// Close closes the idle connections. Call it after the server has been shut down.
func (h *Hooks) Close() {
	if h.transport != nil {
		h.transport.CloseIdleConnections()
	}
}

// all lists the hooks that have a URL.
func (h *Hooks) all() []*hook {
	return slices.DeleteFunc([]*hook{h.connect, h.subscribe, h.publish, h.message, h.call}, func(k *hook) bool { return k == nil })
}
