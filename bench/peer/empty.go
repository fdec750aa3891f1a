package peer

import (
	"io"
	"net"
	"net/http"
)

// Empty is the name of a server that reads each request and responds with nothing: the
// cost of a request over HTTP.
const Empty = "empty"

type empty struct{}

func newEmpty() (Server, error) { return empty{}, nil }

func (empty) Serve(l net.Listener) error {
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // the client is gone
	}))
}

func (empty) Publish([]byte, int) error { return nil }

func (empty) Online() int { return 0 }
