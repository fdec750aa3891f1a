package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
	base, dialUnix, err := parseServer(server)
	if err != nil {
		return nil, err
	}
	if err := o.check(dialUnix != nil); err != nil {
		return nil, err
	}
	if o.HTTP == nil {
		transport := dial.Transport(dialUnix)
		transport.MaxIdleConnsPerHost = 64
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

// parseServer parses the URL of a server. The error does not repeat a password.
func parseServer(server string) (base *url.URL, dialUnix dialFunc, err error) {
	address, dialUnix, err := dial.Unix(server)
	if err != nil {
		return nil, nil, fmt.Errorf("client: server: %w", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		if strings.Contains(address, "@") {
			address = "(hidden, it may contain a password)"
		}
		return nil, nil, fmt.Errorf("client: server %q: %w", address, errors.Unwrap(err))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		err = errors.New("the scheme is not http, https or unix")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		err = errors.New("a query or fragment is not allowed")
	default:
		err = dial.CheckHost(u)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("client: server %q: %w: use a URL such as https://push.example.com or unix:/run/wirepost.sock", u.Redacted(), err)
	}
	return u, dialUnix, nil
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func (o *BackendOptions) check(unix bool) error {
	switch {
	case unix && o.HTTP != nil:
		return errors.New("client: BackendOptions.HTTP cannot reach a Unix socket: leave it nil")
	case o.Attempts < 0:
		return fmt.Errorf("client: BackendOptions.Attempts is %d: use a positive number, or 0 for no limit", o.Attempts)
	case strings.ContainsAny(o.Key, " \t\r\n"):
		return errors.New("client: BackendOptions.Key contains white space")
	}
	return checkDurations("BackendOptions", map[string]time.Duration{
		"Timeout": o.Timeout, "MinWait": o.MinWait, "MaxWait": o.MaxWait,
	})
}

// checkDurations refuses durations of a struct that are negative, and waits that end
// before they begin.
func checkDurations(of string, fields map[string]time.Duration) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] < 0 {
			return fmt.Errorf("client: %s.%s is %s: use a positive duration, or 0 for the default", of, name, fields[name])
		}
	}
	if least, most := fields["MinWait"], fields["MaxWait"]; most > 0 && least > most {
		return fmt.Errorf("client: %s.MinWait is %s, longer than MaxWait, %s", of, least, most)
	}
	return nil
}
