package hooks_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
)

// patience only keeps a test from hanging.
const patience = 2 * time.Minute

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3IG5ldw=="
)

// question is the body of a request to the backend.
type question map[string]any

func (q question) str(name string) string { s, _ := q[name].(string); return s }

// backend is an application that records what it is asked, and answers by the kind.
type backend struct {
	t       testing.TB
	mu      sync.Mutex
	asked   []question
	headers []http.Header
	answers map[string]http.HandlerFunc
	url     string
	quiet   bool // records nothing
}

// newBackend starts a backend that accepts each connection as user 42.
func newBackend(t testing.TB) *backend {
	b := &backend{t: t, answers: map[string]http.HandlerFunc{}}
	b.answer("connect", reply(200, `{"user":"42"}`))
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL + "/hook"
	return b
}

func (b *backend) answer(kind string, h http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[kind] = h
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server has given up
	}
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		b.t.Errorf("asked %q: %v", body, err)
	}
	if sent := r.Header.Get("webhook-signature"); sent != "" && !verified(r.Header, oldSecret, body) {
		b.t.Errorf("the signature %q is wrong", sent)
	}
	b.mu.Lock()
	if !b.quiet {
		b.asked, b.headers = append(b.asked, q), append(b.headers, r.Header)
	}
	h := b.answers[q.str("type")]
	b.mu.Unlock()
	if h == nil {
		h = reply(404, "")
	}
	h(w, r.WithContext(context.WithValue(r.Context(), askedKey{}, q)))
}

type askedKey struct{}

// asking is the question of a request to the backend.
func asking(r *http.Request) question { return r.Context().Value(askedKey{}).(question) }

// questions returns what the backend was asked since the last call.
func (b *backend) questions() []question {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

// verified reports whether one of the signatures of a request is that of a secret.
func verified(h http.Header, secret string, body []byte) bool {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	for s := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if s == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			return true
		}
	}
	return false
}

// reply answers with a status and a body.
func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body) //nolint:errcheck // the test fails
	}
}

// server is a Wirepost server whose hooks ask a backend.
type server struct {
	*wirepost.Server
	t     testing.TB
	hooks *hooks.Hooks
	host  string
}

func newServer(t testing.TB, b *backend, change ...func(*hooks.Options, *wirepost.Options)) *server {
	t.Helper()
	h := hooks.Options{
		URL: b.url, Secrets: []string{newSecret, oldSecret}, Timeout: patience, Logger: slog.New(slog.DiscardHandler),
	}
	o := wirepost.Options{
		VerifyToken: func(_ context.Context, token string) (wirepost.Identity, error) {
			return wirepost.Identity{User: token}, nil
		},
		Channels: []wirepost.Policy{{Pattern: "room:*", Subscribe: wirepost.AccessHook, Publish: wirepost.AccessHook}},
		Loops:    1, Logger: slog.New(slog.DiscardHandler), NoRequestValues: true,
	}
	for _, c := range change {
		c(&h, &o)
	}
	made, err := hooks.New(h)
	if err != nil {
		t.Fatal(err)
	}
	made.Apply(&o)
	srv, err := wirepost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	mux.Handle("/sse", srv.Events())
	mux.Handle("/poll", srv.Poll())
	hs := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		srv.Shutdown(ctx) //nolint:errcheck // it is cut short on purpose
		hs.Close()
		made.Close()
	})
	return &server{srv, t, made, strings.TrimPrefix(hs.URL, "http://")}
}

// client is a WebSocket client.
type client struct {
	*websocket.Conn
	t testing.TB
}

func (s *server) tryDial(query string, header http.Header, protocols ...string) (*client, *http.Response, error) {
	d := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: protocols}
	c, resp, err := d.Dial("ws://"+s.host+"/ws?"+query, header)
	if err != nil {
		return nil, resp, err
	}
	s.t.Cleanup(func() { c.Close() })
	return &client{c, s.t}, resp, nil
}

func (s *server) dial(query string, protocols ...string) *client {
	s.t.Helper()
	c, resp, err := s.tryDial(query, nil, protocols...)
	if err != nil {
		s.t.Fatal(err, resp)
	}
	return c
}

// dialV1 returns a client of wirepost.v1 and its hello.
func (s *server) dialV1(query string) (*client, question) {
	s.t.Helper()
	c := s.dial(query, "wirepost.v1")
	return c, c.frame("hello")
}

func (c *client) next() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	_, data, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// frame returns the next frame of wirepost.v1, which must have that type.
func (c *client) frame(kind string) question {
	c.t.Helper()
	text := c.next()
	var f question
	if err := json.Unmarshal([]byte(text), &f); err != nil || f.str("type") != kind {
		c.t.Fatalf("got %s, want a frame of type %s", text, kind)
	}
	return f
}

func (c *client) send(text string) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) closed() websocket.CloseError {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	_, data, err := c.ReadMessage()
	if e, ok := errors.AsType[*websocket.CloseError](err); ok {
		return *e
	}
	c.t.Fatalf("got %q, %v, and not a close", data, err)
	return websocket.CloseError{}
}

// get makes a request that does not follow redirects.
func (s *server) get(path string, header http.Header) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.host+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func wait[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("still waiting for %s", what)
		panic("unreachable")
	}
}
