package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
)

// BackendOptions are all optional.
type BackendOptions struct {
	// Key is one of the server's API keys; none is needed in dev mode.
	Key string
	// HTTP is the client to use. Its Timeout, if set, also cuts streams. nil means
	// one that this Backend has to itself.
	HTTP *http.Client
	// Timeout bounds one attempt at a request, from connecting to the last byte of
	// the response; 0 means 30 s. It does not bound a Stream.
	Timeout time.Duration
	// MinWait and MaxWait bound the pause before another attempt: a random time up
	// to a limit that doubles from MinWait to MaxWait. A Retry-After of the server
	// replaces it. 0 means 100 ms and 10 s.
	MinWait, MaxWait time.Duration
	// Attempts is the largest number of attempts at a request; for a stream, the
	// number in a row that brought no result. 0 means until the context ends.
	Attempts int
}

// Backend is a client of a server's HTTP API, for programs that push messages and
// manage users and channels. It is safe for concurrent use, reuses its connections
// and need not be closed.
//
// Most methods may be repeated without changing the result, and do repeat a request
// that failed for a reason that may pass: the network, 429, a 5xx, or the error page
// of a proxy. They do so until their context ends, so give it a deadline. Disconnect,
// Leave, Revoke and Empty send their request once, because a repeat could not tell
// whether the first attempt had succeeded.
//
// The error of a request that the server refused is a *RefusedError, which errors.Is
// compares with ErrNotFound and the other codes.
type Backend struct {
	base   *url.URL
	opts   BackendOptions
	groups groups // of pushes
}

// NewBackend makes a Backend for the server at a URL, "https://push.example.com", or
// at a Unix socket, "unix:/run/wirepost.sock". It does not connect yet.
func NewBackend(server string, o BackendOptions) (*Backend, error) {
	server, dialUnix, unix := dial.Unix(server)
	base, err := url.Parse(server)
	switch {
	case err != nil:
		return nil, err
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("client: %q is not an http or https URL", base.Redacted())
	case unix && o.HTTP != nil:
		return nil, errors.New("client: BackendOptions.HTTP cannot reach a Unix socket: leave it nil")
	case o.MinWait < 0 || o.MaxWait < 0 || o.Timeout < 0:
		return nil, errors.New("client: BackendOptions.MinWait, MaxWait and Timeout must not be negative")
	}
	if o.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		if unix {
			transport.DialContext, transport.Proxy = dialUnix, nil
		}
		o.HTTP = &http.Client{Transport: transport}
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MinWait == 0 {
		o.MinWait = 100 * time.Millisecond
	}
	if o.MaxWait == 0 {
		o.MaxWait = max(10*time.Second, o.MinWait)
	}
	return &Backend{base: base, opts: o}, nil
}
