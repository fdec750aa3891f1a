package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/dial"
)

// target is the server that a client command connects to.
type target struct {
	Server firstURL `default:"http://127.0.0.1:8080" placeholder:"URL" variable:"WIREPOST_SERVER" help:"The server (default ${default})."`
}

// nodes is the servers over which a client command spreads its load.
type nodes struct {
	Server []serverURL `default:"http://127.0.0.1:8080" placeholder:"URL" variable:"WIREPOST_SERVER" help:"The server (default ${default}); repeatable for the nodes of a cluster, over which the load is spread."`
}

// cluster is the servers that a client command may use, in the order in which it tries
// them.
type cluster struct {
	Server []serverURL `default:"http://127.0.0.1:8080" placeholder:"URL" variable:"WIREPOST_SERVER" help:"The server (default ${default}); repeatable for the nodes of a cluster, which are tried in this order."`
}

// at returns the URLs of a path on each server.
func (c *cluster) at(path string, query url.Values) (urls []string) {
	for i := range c.Server {
		urls = append(urls, c.Server[i].at(path, query))
	}
	return urls
}

// names is for messages.
func (c *cluster) names() string { return redacted(c.Server, " or ") }

func redacted(servers []serverURL, separator string) string {
	var names []string
	for i := range servers {
		names = append(names, servers[i].Redacted())
	}
	return strings.Join(names, separator)
}

// at returns the URL of a path on the server.
func (s *serverURL) at(path string, query url.Values) string {
	to := strings.TrimRight(s.String(), "/")
	if s.Scheme == "unix" && path != "" {
		to += ":" // see client.Dial
	}
	to += path
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	return to
}

// ask makes a request without a body, with an API key if there is one, and calls read with
// the body of the response.
func (s *serverURL) ask(ctx context.Context, method, path string, query url.Values, key string, read func(body io.Reader) error) error {
	address, dialUnix, err := dial.Unix(s.at(path, query))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return err
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	server := &http.Client{Transport: dial.Transport(dialUnix)}
	defer server.CloseIdleConnections()
	response, err := server.Do(r)
	if err != nil {
		return wordDialError(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	nothing := method != http.MethodGet && response.StatusCode == http.StatusNoContent
	if response.StatusCode != http.StatusOK && !nothing {
		body, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal)) //nolint:errcheck // the status says enough
		return readRefusal(response, body)
	}
	return read(response.Body)
}

// maxRefusal is how much is read of a response that refuses a request.
const maxRefusal = 1 << 20

// readRefusal makes an error of a response, with its problem details if there are
// any.
func readRefusal(response *http.Response, body []byte) error {
	e := &client.RefusedError{Status: response.StatusCode}
	var problem struct {
		Detail string `json:"detail"`
		Field  string `json:"field"`
	}
	if json.Unmarshal(body, &problem) == nil {
		e.Detail, e.Field = problem.Detail, problem.Field
	}
	return e
}

// wordDialError removes error layers that do not help a user.
func wordDialError(err error) error {
	if e, ok := errors.AsType[*dial.ProxyError](err); ok {
		return fmt.Errorf("cannot connect through the %w", e)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" && e.Addr != nil {
		return fmt.Errorf("cannot connect to %s: %w", e.Addr, e.Err)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("cannot find %s: %s", e.Name, e.Err)
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return errors.New("the server did not respond in time")
	}
	return err
}

// innermost returns the innermost wrapped error.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// printable makes text safe for a terminal: control characters could move its
// cursor or type into it.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\t' || strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
