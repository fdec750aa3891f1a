package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// call is one request of the API.
type call struct {
	method string
	path   string // escaped, see resource
	query  url.Values
	body   []byte // JSON; nil for none
	// result is what the JSON of the response is decoded into. nil means that the
	// response is 204, without content.
	result any
}

// maxBody bounds what is read of a response, in bytes.
const maxBody = 64 << 20

// once does a call at a node.
func (q *requester) once(ctx context.Context, node int, c call) (err error) {
	defer func() { q.leave(node, err) }()
	ctx, cancel := context.WithTimeout(ctx, q.opts.Timeout)
	defer cancel()
	r, err := q.encode(ctx, node, c)
	if err != nil {
		return err
	}
	response, err := q.nodes[node].do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return err
	}
	return c.decode(response, body)
}

func (q *requester) encode(ctx context.Context, node int, c call) (*http.Request, error) {
	if empty, ok := strings.CutPrefix(c.path, emptyName); ok {
		return nil, fmt.Errorf("client: %w: the name of the %s is empty", ErrBadRequest, empty)
	}
	path := c.path
	if len(c.query) > 0 {
		path += "?" + c.query.Encode()
	}
	r, err := q.newRequest(ctx, node, c.method, path, bytes.NewReader(c.body))
	if err == nil && c.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, err
}

// decode reads the response to a call. It does not take the response of anything but
// a Wirepost server for success.
func (c *call) decode(response *http.Response, body []byte) error {
	if err := checkMethod(response, c.method, c.path); err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refused(response.StatusCode, response.Header, body)
	}
	if c.result == nil {
		if response.StatusCode != http.StatusNoContent {
			return fmt.Errorf("%w: %s %s was answered with %s, not 204", ErrProtocol, c.method, c.path, response.Status)
		}
		return nil
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if media != "application/json" {
		return fmt.Errorf("%w: the response to %s %s is %q, not JSON", ErrProtocol, c.method, c.path, media)
	}
	if err := json.Unmarshal(body, c.result); err != nil {
		return fmt.Errorf("%w: the response to %s %s: %w", ErrProtocol, c.method, c.path, err)
	}
	return nil
}

// checkMethod refuses the response to a redirected request: http.Client makes a GET of
// most of them, and gets something else than was asked for.
func checkMethod(response *http.Response, method, path string) error {
	if r := response.Request; r != nil && r.Method != method {
		return fmt.Errorf("%w: %s %s was redirected to %s", ErrProtocol, method, path, r.URL.Redacted())
	}
	return nil
}

// resource makes a path of literal segments and names, alternately; names are
// escaped. If a name is empty there is no path: without this check the request would be
// one for another resource. The result then is emptyName and what the name is of.
func resource(segments ...string) string {
	var path strings.Builder
	for i, s := range segments {
		if i%2 == 1 {
			if s == "" {
				kind := segments[i-1][strings.LastIndexByte(segments[i-1], '/')+1:] // "v1/users", "channels"
				return emptyName + strings.TrimSuffix(kind, "s")
			}
			s = escapeName(s)
		}
		path.WriteString("/" + s)
	}
	return path.String()
}

const emptyName = "empty "

func escapeName(name string) string {
	if name == "." || name == ".." { // otherwise they would be resolved as a relative path
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return url.PathEscape(name)
}
