package hooks_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
)

// TestConnectQuestion: the backend gets what it needs to identify a client of any mode, and
// the answer is the client's identity.
func TestConnectQuestion(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer("connect", reply(200, `{"user":"42","device":"phone","expires":"1h","channels":["news"],"subscribe":["feed:*"],"publish":["feed:1"],"info":{"name":"Ada"}}`))
	s := newServer(t, b)
	header := func() http.Header {
		h := http.Header{}
		h.Add("Cookie", "session=abc")
		h.Add("X-Forwarded-For", "6.6.6.6")
		h.Add("User-Agent", "me")
		h.Add("X-Secret", "not passed on")
		h.Add("Origin", "http://"+s.host)
		return h
	}
	const query = "device=phone&X=1&x=2"
	for _, mode := range []string{"plain", "wirepost.v1", "sse", "poll"} {
		switch mode {
		case "plain":
			if _, resp, err := s.tryDial(query, header()); err != nil {
				t.Fatal(err, resp)
			}
		case "wirepost.v1":
			c, resp, err := s.tryDial(query, header(), mode)
			if err != nil {
				t.Fatal(err, resp)
			}
			hello := c.frame("hello")
			if hello.str("user") != "42" || hello.str("device") != "phone" || hello["expires"] != nil {
				t.Errorf("%v", hello)
			}
			if channels, _ := hello["channels"].(map[string]any); channels["news"] == nil {
				t.Errorf("not a member: %v", hello)
			}
			c.send(`{"type":"subscribe","ref":1,"channel":"feed:7"}`)
			c.frame("ok")
			c.send(`{"type":"publish","ref":1,"to":"feed:2","data":1}`)
			if e := c.frame("error"); e.str("code") != "forbidden" {
				t.Errorf("%v", e)
			}
		default:
			if resp := s.get("/"+mode+"?wait=0&"+query, header()); resp.StatusCode != 200 {
				t.Fatal(resp.Status)
			}
		}
		asked := b.questions()
		if len(asked) != 1 {
			t.Fatalf("%s: asked %v", mode, asked)
		}
		q := asked[0]
		if q.str("connection") == "" || !strings.HasPrefix(q.str("address"), "127.0.0.1:") {
			t.Errorf("%s: %v", mode, q)
		}
		delete(q, "connection")
		delete(q, "address")
		want := question{
			"type": "connect", "device": "phone", "mode": mode, "origin": "http://" + s.host,
			"headers": map[string]any{"cookie": []any{"session=abc"}, "user-agent": []any{"me"}, "x-forwarded-for": []any{"127.0.0.1"}},
			"query":   map[string]any{"device": []any{"phone"}, "x": []any{"1", "2"}},
		}
		if mode == "sse" || mode == "poll" {
			want["query"].(map[string]any)["wait"] = []any{"0"}
		}
		if diff := cmp.Diff(want, fixOrder(q)); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.headers {
		if n := len(strings.Fields(h.Get("webhook-signature"))); n != 2 || h.Get("Content-Type") != "application/json" || h.Get("webhook-id") == "" {
			t.Errorf("%v", h)
		}
	}
}

// fixOrder sorts the values of x, whose two spellings have no order.
func fixOrder(q question) question {
	values, _ := q["query"].(map[string]any)
	if x, _ := values["x"].([]any); len(x) == 2 && x[0] == "2" {
		values["x"] = []any{"1", "2"}
	}
	return q
}

// TestNoDevice: the question about a client without a device has the field, too.
func TestNoDevice(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	s.dial("")
	if q := b.questions()[0]; q["device"] != "" {
		t.Errorf("%v", q)
	}
}

// TestTokensNeedNoHook: a client with a token is identified by it alone.
func TestTokensNeedNoHook(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	if _, hello := s.dialV1("token=7"); hello.str("user") != "7" || len(b.questions()) != 0 {
		t.Errorf("%v", hello)
	}
	alone := newServer(t, b, func(_ *hooks.Options, o *wirepost.Options) { o.VerifyToken = nil })
	h := http.Header{"Authorization": {"Bearer opaque"}}
	if _, resp, err := alone.tryDial("", h); err != nil {
		t.Fatal(err, resp)
	}
	if q := b.questions(); len(q) != 1 || fmt.Sprint(q[0]["headers"].(map[string]any)["authorization"]) != "[Bearer opaque]" {
		t.Errorf("without tokens of the server the backend is asked: %v", q)
	}
}

// TestConnectAnswers: a refusal reaches the client with its text; whatever else is not an
// identity is an outage, whose reason stays on the server.
func TestConnectAnswers(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	patient := newServer(t, b)
	hasty := newServer(t, b, func(h *hooks.Options, _ *wirepost.Options) { h.Timeout = 200 * time.Millisecond })
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		status int
		detail string
	}{
		"401":           {reply(401, `{"title":"no","detail":"log in first","secret":"x"}`), 401, "log in first"},
		"403":           {reply(403, `{"detail":"you are banned"}`), 403, "you are banned"},
		"403 in HTML":   {reply(403, `<h1>Forbidden</h1>`), 403, "the application refused this connection"},
		"404":           {reply(404, `{"detail":"internal"}`), 503, ""},
		"500":           {reply(500, `{"detail":"internal"}`), 503, ""},
		"204":           {reply(204, ""), 503, ""},
		"201":           {reply(201, `{"user":"42"}`), 503, ""},
		"HTML":          {reply(200, `<html>internal</html>`), 503, ""},
		"empty":         {reply(200, ``), 503, ""},
		"a list":        {reply(200, `["internal"]`), 503, ""},
		"no user":       {reply(200, `{}`), 503, ""},
		"a number":      {reply(200, `{"user":42}`), 503, ""},
		"a bad name":    {reply(200, `{"user":"a b"}`), 503, ""},
		"a bad channel": {reply(200, `{"user":"42","channels":["a b"]}`), 503, ""},
		"an inbox":      {reply(200, `{"user":"42","channels":["user:7"]}`), 503, ""},
		"a misspelling": {reply(200, `{"user":"42","expire":"1h"}`), 503, ""},
		"large info":    {reply(200, `{"user":"42","info":"`+strings.Repeat("x", 1024)+`"}`), 503, ""},
		"no time":       {reply(200, `{"user":"42","expires":0}`), 503, ""},
		"bad time":      {reply(200, `{"user":"42","expires":"soon"}`), 503, ""},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, 503, ""},
		"10 MB": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"user":"42","info":"`)     //nolint:errcheck // cut
			io.WriteString(w, strings.Repeat("x", 10<<20)) //nolint:errcheck // cut
		}, 503, ""},
		"half": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"user":"42"}`) //nolint:errcheck // cut
		}, 503, ""},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 503, ""},
		"slow": {func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}, 503, ""},
		"slowloris": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, " ") //nolint:errcheck // cut
				http.NewResponseController(w).Flush()
				time.Sleep(time.Millisecond)
			}
		}, 503, ""},
	} {
		b.answer("connect", tt.answer)
		s := patient
		if strings.HasPrefix(name, "slow") {
			s = hasty
		}
		for _, path := range []string{"/ws", "/sse", "/poll"} {
			h := http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
				"Sec-WebSocket-Version": {"13"}, "Sec-WebSocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
			}
			if path != "/ws" {
				h = nil
			}
			resp := s.get(path, h)
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != tt.status || !strings.Contains(string(body), tt.detail) || strings.Contains(string(body), "internal") {
				t.Errorf("%s, %s: %s %s %v", name, path, resp.Status, body, err)
			}
			if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
				t.Errorf("%s, %s: no Retry-After", name, path)
			}
			if path == "/ws" && (strings.HasPrefix(name, "slow") || name == "10 MB") {
				break // they take a while, and the modes do not differ
			}
		}
		b.answer("connect", reply(200, `{"user":"42"}`))
		patient.dial("").Close() // and the next one is served
	}
}

// TestRefreshQuestion: the question of a refresh is that of the connection, with its user.
func TestRefreshQuestion(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer("connect", reply(200, `{"user":"a\"b","expires":90}`))
	h, err := hooks.New(hooks.Options{Connect: b.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	var o wirepost.Options
	h.Apply(&o)
	id, err := o.Authenticate(httptest.NewRequest("GET", "/ws?device=d", nil))
	if err != nil || !id.Refresh || time.Until(id.Expires) > 90*time.Second || time.Until(id.Expires) < time.Minute {
		t.Fatal(id, err)
	}
	for range 2 { // the question is kept
		b.answer("connect", reply(200, `{"user":"a\"b","expires":"1h"}`))
		next, err := o.Refresh(context.Background(), wirepost.Session{User: id.User, Connection: "c", Data: id.Data})
		if err != nil || !next.Refresh || time.Until(next.Expires) < 50*time.Minute {
			t.Fatal(next, err)
		}
		id = next
	}
	asked := b.questions()
	for _, again := range asked[1:] {
		if again["refresh"] != true || again.str("user") != `a"b` {
			t.Errorf("%v", again)
		}
		delete(again, "refresh")
		delete(again, "user")
		if diff := cmp.Diff(asked[0], again); diff != "" {
			t.Error(diff)
		}
	}
	b.answer("connect", reply(403, `{"detail":"logged out"}`))
	if _, err := o.Refresh(context.Background(), wirepost.Session{User: id.User, Data: id.Data}); wirepost.AsError(err).Code != wirepost.CodeForbidden {
		t.Error(err)
	}
	b.answer("connect", reply(200, `{"user":"42"}`))
	if id, err := o.Authenticate(httptest.NewRequest("GET", "/ws", nil)); err != nil || id.Refresh || id.Data != nil || !id.Expires.IsZero() {
		t.Error("an identity without an end keeps nothing:", id, err)
	}
}
