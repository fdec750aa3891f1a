package wirepost_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
)

// presence counts sessions in callbacks, as an embedding program does.
type presence struct {
	mu        sync.Mutex
	connected map[string]bool
	began     int
	ended     chan wirepost.CloseInfo
	t         *testing.T
}

func countPresence(t *testing.T, o *wirepost.Options) *presence {
	p := &presence{t: t, connected: map[string]bool{}, ended: make(chan wirepost.CloseInfo, 100)}
	o.OnConnect = func(_ *http.Request, s wirepost.Session) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.connected[s.Connection] {
			t.Errorf("%s connected twice", s.Connection)
		}
		p.connected[s.Connection] = true
		p.began++
		return nil
	}
	o.OnDisconnect = func(_ context.Context, s wirepost.Session, e wirepost.CloseInfo) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.connected[s.Connection] {
			t.Errorf("%s disconnected and was not connected", s.Connection)
		}
		delete(p.connected, s.Connection)
		p.ended <- e
	}
	return p
}

func (p *presence) expect(began, connected int) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began != began || len(p.connected) != connected {
		p.t.Errorf("%d sessions began and %d are connected, want %d and %d", p.began, len(p.connected), began, connected)
	}
}

// flawed is an engine whose methods fail on demand.
type flawed struct {
	engine.Engine
	mu   sync.Mutex
	fail string
}

func (f *flawed) failAt(method string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = method
}

func (f *flawed) at(method string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == method {
		return errors.New("the disk is on fire")
	}
	return nil
}

func (f *flawed) Watch(ctx context.Context, channel string, w engine.Watcher) (uint64, error) {
	if err := f.at("Watch " + channel); err != nil {
		return 0, err
	}
	return f.Engine.Watch(ctx, channel, w)
}

func (f *flawed) Bounds(ctx context.Context, channel string) (engine.Bounds, error) {
	if err := f.at("Bounds"); err != nil {
		return engine.Bounds{}, err
	}
	return f.Engine.Bounds(ctx, channel)
}

// unhijackable is a ResponseWriter wrapped without Unwrap.
type unhijackable struct{ http.ResponseWriter }

// panicking is a ResponseWriter that panics.
type panicking struct{ http.ResponseWriter }

func (panicking) Hijack() (net.Conn, *bufio.ReadWriter, error) { panic("middleware") }
func (panicking) WriteHeader(int)                              { panic("middleware") }
func (panicking) Flush()                                       {}

// unhijacking is a ResponseWriter whose Hijack fails.
type unhijacking struct{ http.ResponseWriter }

func (unhijacking) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("middleware")
}

// TestConnectedSessionsDisconnect checks every way in which a session ends after
// OnConnect, and in which it is refused before.
func TestConnectedSessionsDisconnect(t *testing.T) {
	t.Parallel()
	upgrade := []string{
		"Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol", "wirepost.v1",
	}
	for name, tt := range map[string]struct {
		change func(*wirepost.Options)
		fail   string
		wrap   func(http.ResponseWriter) http.ResponseWriter
		path   string // /ws if it is empty
		query  string
		began  int // by the request
		status int // 0: none
	}{
		"the limit of a user":      {change: func(o *wirepost.Options) { o.MaxUserConnections = 1 }, status: 429},
		"the limit of the server":  {change: func(o *wirepost.Options) { o.MaxConnections = 1 }, status: 503},
		"the limit of devices":     {change: func(o *wirepost.Options) { o.MaxDevices = 1 }, query: "&device=other", began: 1, status: 429},
		"too many subscriptions":   {change: func(o *wirepost.Options) { o.MaxSubscriptions = 3 }, query: "&channels=a,b", began: 1, status: 429},
		"after in another channel": {query: "&after=nowhere=1", began: 1, status: 400},
		"a channel fails":          {fail: "Watch a", query: "&channels=a", began: 1, status: 500},
		"the hello fails":          {fail: "Bounds", began: 1, status: 500},
		"no Hijacker": {
			wrap:   func(w http.ResponseWriter) http.ResponseWriter { return unhijackable{w} },
			status: 500,
		},
		"Hijack fails": {
			wrap:  func(w http.ResponseWriter) http.ResponseWriter { return unhijacking{w} },
			began: 1, status: 500,
		},
		"Hijack panics":   {wrap: func(w http.ResponseWriter) http.ResponseWriter { return panicking{w} }, began: 1},
		"a stream panics": {wrap: func(w http.ResponseWriter) http.ResponseWriter { return panicking{w} }, path: "/sse", began: 1},
		"a poll":          {path: "/poll", query: "&wait=1ms", began: 1, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *presence
			var store *flawed
			n := newNode(t, func(o *wirepost.Options) {
				o.Logger = slog.New(slog.DiscardHandler)
				p = countPresence(t, o)
				store = &flawed{Engine: o.Engine}
				o.Engine = store
				if tt.change != nil {
					tt.change(o)
				}
			})
			n.dial("42")
			store.failAt(tt.fail)
			path := tt.path
			if path == "" {
				path = "/ws"
			}
			wrap := tt.wrap
			if wrap == nil {
				wrap = func(w http.ResponseWriter) http.ResponseWriter { return w }
			}
			hs := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n.routes().ServeHTTP(wrap(w), r)
			}))
			hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			hs.Start()
			t.Cleanup(hs.Close)
			for range 3 {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hs.URL+path+"?user=42"+tt.query, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i < len(upgrade); i += 2 {
					request.Header.Set(upgrade[i], upgrade[i+1])
				}
				resp, err := hs.Client().Do(request)
				switch {
				case err != nil && tt.status != 0:
					t.Fatal(err)
				case err == nil:
					resp.Body.Close()
					if resp.StatusCode != tt.status {
						t.Fatalf("the status is %s", resp.Status)
					}
				}
			}
			for range 3 * tt.began {
				select {
				case e := <-p.ended:
					if e.Code == 0 {
						t.Error("OnDisconnect without a close code")
					}
				case <-time.After(patience):
					t.Fatal("a connected session does not disconnect")
				}
			}
			p.expect(1+3*tt.began, 1)
			if online := n.online("42"); online != 1 {
				t.Errorf("%d connections are left", online)
			}
		})
	}
}

// Only an *Error of a callback is shown to clients. Any other error is an outage: it is
// logged, and the response is not a refusal.
func TestErrorsOfCallbacks(t *testing.T) {
	t.Parallel()
	const secret = "dial tcp 10.0.0.5:5432: password authentication failed"
	outage := errors.New(secret)
	for name, tt := range map[string]struct {
		change func(*wirepost.Options)
		status int
		say    string
		logged bool
	}{
		"Authenticate": {func(o *wirepost.Options) {
			o.Authenticate = func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{}, outage }
		}, 503, "", true},
		"VerifyToken": {func(o *wirepost.Options) {
			o.Authenticate = nil
			o.VerifyToken = func(context.Context, string) (wirepost.Identity, error) { return wirepost.Identity{}, outage }
		}, 503, "", true},
		"OnConnect": {func(o *wirepost.Options) {
			o.OnConnect = func(*http.Request, wirepost.Session) error { return outage }
		}, 503, "", true},
		"a panic": {func(o *wirepost.Options) {
			o.Authenticate = func(*http.Request) (wirepost.Identity, error) { panic(secret) }
		}, 500, "", true},
		"coded": {func(o *wirepost.Options) {
			o.Authenticate = func(*http.Request) (wirepost.Identity, error) {
				return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "log in first")
			}
		}, 401, "log in first", false},
		"coded, with a cause": {func(o *wirepost.Options) {
			o.OnConnect = func(*http.Request, wirepost.Session) error {
				return &wirepost.Error{Code: wirepost.CodeForbidden, Message: "banned", Err: outage}
			}
		}, 403, "banned", false},
		"no cookie": {func(o *wirepost.Options) {
			o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
				_, err := r.Cookie("session")
				return wirepost.Identity{}, err
			}
		}, 401, "cookie", false},
		"no user": {func(o *wirepost.Options) {
			o.Authenticate = func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{}, nil }
		}, 401, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log lockedBuffer
			n := newNode(t, tt.change, func(o *wirepost.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			for _, path := range []string{"/ws", "/sse", "/poll"} {
				resp := n.get(path, "user=42&token=x", "Connection", "Upgrade", "Upgrade", "websocket",
					"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
				body, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.say) || strings.Contains(string(body), "10.0.0.5") {
					t.Errorf("%s: %s %s", path, resp.Status, body)
				}
			}
			if got := strings.Contains(log.String(), "10.0.0.5"); got != tt.logged {
				t.Errorf("the log: %s", log.String())
			}
		})
	}
}

// The same for callbacks after the handshake.
func TestErrorsOfMessages(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	outage := errors.New("dial tcp 10.0.0.5:5432: no route to host")
	n := newNode(t, func(o *wirepost.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.OnMessage = func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) {
			return wirepost.Frame{}, outage
		}
		o.OnCall = func(context.Context, wirepost.Session, string, json.RawMessage) (any, error) { return nil, outage }
		o.VerifyToken = func(context.Context, string) (wirepost.Identity, error) { return wirepost.Identity{}, outage }
	})
	plain := n.dial("42")
	plain.send("hello")
	if code := plain.closeCode(); code != 1011 {
		t.Errorf("closed with %d", code)
	}
	v1, _ := n.dialV1("42")
	for ref, command := range []string{
		`{"type":"message","ref":0,"data":1}`, `{"type":"call","ref":1,"method":"m"}`, `{"type":"auth","ref":2,"token":"t"}`,
	} {
		v1.send("%s", command)
		e := v1.frame("error")
		want := "internal"
		if ref == 2 {
			want = "unavailable"
		}
		if e.str("code") != want || strings.Contains(e.str("message"), "10.0.0.5") {
			t.Errorf("%s: %v", command, e)
		}
	}
	if k := strings.Count(log.String(), "10.0.0.5"); k != 4 {
		t.Errorf("4 failures, %d lines in the log: %s", k, log.String())
	}
}
