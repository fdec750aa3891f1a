package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"

	"github.com/wirepost/wirepost/internal/dial"
)

// endpoint is where a client connects to one node.
type endpoint struct {
	base  *url.URL
	dial  dialFunc
	proxy func(*http.Request) (*url.URL, error)
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// parseNodes parses the URL of Dial and those of Options.Nodes, and returns them in the
// order in which they are tried.
func parseNodes(o *Options, rawURL string) ([]endpoint, error) {
	first, err := parseEndpoint(o, rawURL)
	if err != nil {
		return nil, fmt.Errorf("client: the URL of Dial: %w", err)
	}
	nodes := []endpoint{first}
	for _, other := range o.Nodes {
		e, err := parseEndpoint(o, other)
		if err != nil {
			return nil, fmt.Errorf("client: Options.Nodes: %w", err)
		}
		nodes = append(nodes, e)
	}
	shuffle(nodes, o.InOrder)
	return nodes, nil
}

// shuffle spreads clients over the nodes, also those that leave one node together.
func shuffle[T any](nodes []T, inOrder bool) {
	if !inOrder {
		rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	}
}

func parseEndpoint(o *Options, rawURL string) (endpoint, error) {
	e := endpoint{dial: o.DialContext, proxy: o.Proxy}
	rest, dialUnix, err := dial.Unix(rawURL)
	if err != nil {
		return e, err
	}
	if dialUnix != nil {
		e.dial, e.proxy = dialUnix, nil
	}
	e.base, err = url.Parse(rest)
	return e, err
}
