package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Stats returns the server's counters.
func (b *Backend) Stats(ctx context.Context) (stats Stats, err error) {
	err = b.repeat(ctx, call{method: http.MethodGet, path: statsPath, result: &stats})
	return stats, err
}

// Top lists at most n channels and n slow sessions, n from 1 to 100. The server looks
// at all that it has: this is for people, not for every push.
func (b *Backend) Top(ctx context.Context, n int) (Top, error) {
	var result struct {
		Top Top `json:"top"`
	}
	query := url.Values{"top": {strconv.Itoa(n)}}
	err := b.repeat(ctx, call{method: http.MethodGet, path: statsPath, query: query, result: &result})
	return result.Top, err
}

const statsPath = "/v1/stats"

// Ready asks once whether the server, or the node in use, takes work; nil means that it
// does. It needs no key.
func (b *Backend) Ready(ctx context.Context) error {
	var result struct {
		Status string `json:"status"`
	}
	return b.send(ctx, call{method: http.MethodGet, path: "/readyz", result: &result})
}
