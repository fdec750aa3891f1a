package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/memory"
)

// patience is how long a test waits for an expected event. A test that waits that long has
// failed.
const patience = 2 * time.Minute

const testKey = "a-key-for-tests"

// site is a server under test with its API, over real HTTP.
type site struct {
	*wirepost.Server
	t      testing.TB
	hs     *httptest.Server
	url    string
	client *http.Client
	spec   *spec
}

func newServer(t testing.TB, change ...func(*wirepost.Options)) *wirepost.Server {
	t.Helper()
	o := wirepost.Options{
		Engine: memory.New(memory.Options{}), Logger: slog.New(slog.DiscardHandler), Loops: 1,
		Channels: []wirepost.Policy{{Pattern: "live:*", NonDurable: true}},
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			user := r.URL.Query().Get("user")
			if user == "" {
				return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "no user")
			}
			return wirepost.Identity{User: user, Subscribe: []string{"*"}}, nil
		},
	}
	for _, c := range change {
		c(&o)
	}
	srv, err := wirepost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		srv.Shutdown(ctx) //nolint:errcheck // canceled on purpose
		o.Engine.Close()
	})
	return srv
}

func newSite(t testing.TB, change ...func(*wirepost.Options)) *site {
	t.Helper()
	srv := newServer(t, change...)
	s := serveHandler(t, New(srv, Options{Keys: []string{"another", testKey}, Logger: slog.New(slog.DiscardHandler)}), srv)
	s.Server = srv
	return s
}

// serveHandler serves the API, and ws at /ws if there is one.
func serveHandler(t testing.TB, api, ws http.Handler) *site {
	t.Helper()
	return serveOn(t, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			ws.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})))
}

func serveOn(t testing.TB, hs *httptest.Server) *site {
	t.Cleanup(hs.Close)
	if hs.TLS != nil { // with HTTP/2
		return &site{t: t, hs: hs, url: hs.URL, client: hs.Client(), spec: loadSpec(t)}
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &site{t: t, hs: hs, url: hs.URL, client: &http.Client{Transport: transport}, spec: loadSpec(t)}
}

// response is an HTTP response.
type response struct {
	t      testing.TB
	what   string
	status int
	proto  int
	header http.Header
	body   []byte
}

// do sends a request with the key and checks the response against openapi.json.
// Headers are "Name: value" lines.
func (s *site) do(method, path, body string, headers ...string) response {
	s.t.Helper()
	r := s.request(method, path, strings.NewReader(body), headers...)
	if body == "" {
		r.Body, r.ContentLength = nil, 0
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	a := response{t: s.t, what: method + " " + path, status: resp.StatusCode, proto: resp.ProtoMajor, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if err := s.spec.checkResponse(r, a.status, a.header, a.body); err != nil {
		s.t.Errorf("%s %s: %d does not fit openapi.json: %v\n%s", method, path, a.status, err, a.body)
	}
	return a
}

func (s *site) request(method, path string, body io.Reader, headers ...string) *http.Request {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testKey)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	return r
}

// push pushes a JSON body.
func (s *site) push(body string) response {
	s.t.Helper()
	return s.do("POST", "/v1/push", body, "Content-Type: application/json")
}

// is fails the test unless the response has the status.
func (a response) is(status int) response {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d\n%s", a.what, a.status, status, a.body)
	}
	return a
}

// into decodes the body.
func (a response) into(v any) response {
	a.t.Helper()
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		a.t.Fatalf("%s: %v\n%s", a.what, err, a.body)
	}
	return a
}

// pushed decodes the response to a push.
func (a response) pushed() []wirepost.PushResult {
	a.t.Helper()
	var v struct{ Messages []wirepost.PushResult }
	a.into(&v)
	return v.Messages
}

// problem decodes a problem and checks its status and field.
func (a response) problem(status int, field string) wirepost.Problem {
	a.t.Helper()
	var p wirepost.Problem
	a.is(status).into(&p)
	if p.Status != status || p.Field != field || p.Detail == "" || a.header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s: %s %+v, want field %q", a.what, a.header.Get("Content-Type"), p, field)
	}
	return p
}

// dial connects a user; query starts with the user ID: "42&device=d1".
func (s *site) dial(query string, protocols ...string) *websocket.Conn {
	s.t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: protocols}
	c, _, err := d.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/ws?user="+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	return c
}

// frame reads frames of a wirepost.v1 connection until one of the type, and returns it.
func frame(t testing.TB, c *websocket.Conn, kind string) map[string]any {
	t.Helper()
	for {
		var v map[string]any
		if err := c.ReadJSON(&v); err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if v["type"] == kind {
			return v
		}
	}
}
