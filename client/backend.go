package client

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// BackendOptions are all optional.
type BackendOptions struct {
	// Key is one of the server's API keys; none is needed in dev mode.
	Key string
	// Nodes are the URLs of the other nodes of a cluster, as for NewBackend. Requests go to
	// one node until it cannot be reached, refuses with 5xx or does not answer in time; then
	// they go to the next, and those that may be repeated are. The order is random.
	Nodes []string
	// InOrder begins at the URL of NewBackend and keeps to the order of Nodes.
	InOrder bool
	// HTTP is the client to use. Its Timeout, if set, also cuts streams. nil means
	// one that this Backend has to itself.
	HTTP *http.Client
	// Timeout bounds one attempt at a request, from connecting to the last byte of
	// the response; 0 means 30 s. Of a Stream it bounds the time in which pushes that were
	// sent get no result. A node of a cluster may answer after 10 s, while another takes
	// over the log.
	Timeout time.Duration
	// MinWait and MaxWait bound the pause before another attempt at the same node: a
	// random time up to a limit that doubles from MinWait to MaxWait. A Retry-After of the
	// node replaces it. 0 means 100 ms and 10 s.
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
	nodes  []server
	node   atomic.Int32 // the index of the one to use
	opts   BackendOptions
	groups groups // of pushes
}

// NewBackend makes a Backend for the server at a URL, "https://push.example.com", or
// at a Unix socket, "unix:/run/wirepost.sock". It does not connect yet.
func NewBackend(url string, o BackendOptions) (*Backend, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	nodes, err := parseServers(append([]string{url}, o.Nodes...), o.HTTP)
	if err != nil {
		return nil, err
	}
	shuffle(nodes, o.InOrder)
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MinWait == 0 {
		o.MinWait = 100 * time.Millisecond
	}
	if o.MaxWait == 0 {
		o.MaxWait = max(10*time.Second, o.MinWait)
	}
	return &Backend{nodes: nodes, opts: o}, nil
}

func (o *BackendOptions) check() error {
	switch {
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
