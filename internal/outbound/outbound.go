// Package outbound sends requests to servers of others: backends with hooks and endpoints,
// and push services.
package outbound

import (
	"errors"
	"net/http"
	"time"
)

// Client is an http.Client that stays at the URL of a request, and reads a response no
// longer than the request's context and the timeout allow. It is safe for concurrent use.
type Client struct{ http.Client }

// New makes a Client. Without a timeout, the contexts of the requests are the limit.
func New(transport http.RoundTripper, timeout time.Duration) *Client {
	return &Client{http.Client{
		Transport: transport, Timeout: timeout,
		// A redirect could lead anywhere, also to where the URL must not lead.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errSwitched = errors.New("the response is 101 Switching Protocols, which was not asked for")

// Do sends a request. A response with status 101 is an error: its body is the connection
// itself, whose reads end neither with the context nor with the timeout.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	response, err := c.Client.Do(r)
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body.Close()
		return nil, errSwitched
	}
	return response, err
}
