package client

import (
	"time"
)

// Backend is a client of a server's HTTP API, for programs that push messages and
// manage users and channels. It is safe for concurrent use, reuses its connections
// and need not be closed.
//
// Most methods may be repeated without changing the result, and do repeat a request
// that failed for a reason that may pass: the network, 429, a 5xx, or the error page
// of a proxy. They do so until their context ends, so give it a deadline. Disconnect,
// Leave, Revoke, Empty and CancelScheduled send their request once, because a repeat could not tell
// whether the first attempt had succeeded.
//
// The error of a request that the server refused is a *RefusedError, which errors.Is
// compares with ErrNotFound and the other codes.
type Backend struct {
	requester
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
	b := &Backend{requester: requester{nodes: nodes, opts: o}}
	b.groups.to = &b.requester
	return b, nil
}
