package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/wirepost/wirepost/internal/dial"
)

// server is one node that a Backend uses.
type server struct {
	base *url.URL
	http *http.Client
}

var errSwitched = errors.New("the response is 101 Switching Protocols, which was not asked for: is there a proxy in between?")

// do sends a request. A response with status 101 is an error: its body is the connection
// itself, whose reads end neither with the context nor with a timeout.
func (s server) do(r *http.Request) (*http.Response, error) {
	response, err := s.http.Do(r)
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body.Close()
		return nil, errSwitched
	}
	return response, err
}

// parseServers parses the URLs of servers. They share an HTTP client, except those at Unix
// sockets; with is the program's own, or nil.
func parseServers(urls []string, with *http.Client) ([]server, error) {
	shared := with
	if shared == nil {
		shared = newHTTP(nil)
	}
	var list []server
	for _, u := range urls {
		base, dialUnix, err := parseServer(u)
		switch {
		case err != nil:
			return nil, err
		case dialUnix == nil:
			list = append(list, server{base, shared})
		case with != nil:
			return nil, errors.New("client: BackendOptions.HTTP cannot reach a Unix socket: leave it nil")
		default:
			list = append(list, server{base, newHTTP(dialUnix)})
		}
	}
	return list, nil
}

func newHTTP(dialUnix dialFunc) *http.Client {
	transport := dial.Transport(dialUnix)
	transport.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: transport}
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
