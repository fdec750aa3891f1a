package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// requester makes the requests of a Backend, at one of its nodes.
type requester struct {
	nodes []server
	node  atomic.Int32 // the index of the one to use
	opts  BackendOptions
}

// current is the node to use.
func (q *requester) current() int { return int(q.node.Load()) }

// leave has later requests go to the next node if this one failed.
func (q *requester) leave(node int, err error) {
	if err == nil || stays(err) || errors.Is(err, context.Canceled) || !mayRepeat(err) && !isUnsuitable(err) {
		return
	}
	q.node.CompareAndSwap(int32(node), int32((node+1)%len(q.nodes)))
}

// newRequest makes a request that carries the key.
func (q *requester) newRequest(ctx context.Context, node int, method, path string, body io.Reader) (*http.Request, error) {
	address := strings.TrimRight(q.nodes[node].base.String(), "/") + path
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if q.opts.Key != "" {
		r.Header.Set("Authorization", "Bearer "+q.opts.Key)
	}
	return r, nil
}
