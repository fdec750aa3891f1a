package wirepost_test

import (
	"bufio"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// plainWriter is a middleware's ResponseWriter that hides the abilities of net/http's.
type plainWriter struct{ http.ResponseWriter }

// openWriter is one with Unwrap.
type openWriter struct{ plainWriter }

func (w openWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// lyingWriter has a Hijack that fails.
type lyingWriter struct{ plainWriter }

func (w lyingWriter) Hijack() (c net.Conn, rw *bufio.ReadWriter, err error) {
	return nil, nil, http.ErrNotSupported
}

// logged collects a log and counts its lines.
type logged struct{ lockedBuffer }

func (l *logged) lines(with ...string) (n int) {
	for line := range strings.Lines(l.String()) {
		all := true
		for _, w := range with {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

func logTo(l *logged, level slog.Level) func(*wirepost.Options) {
	return func(o *wirepost.Options) {
		o.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
	}
}

// TestWrappers: a ResponseWriter that cannot be hijacked or flushed causes an error
// that names its type, once in the log and each time for the client.
func TestWrappers(t *testing.T) {
	t.Parallel()
	wrappers := []struct {
		name     string
		wrap     func(http.ResponseWriter) http.ResponseWriter
		ws, sse  int
		hijacker string // the type that the log names
		flusher  string
	}{
		{"none", func(w http.ResponseWriter) http.ResponseWriter { return w }, 101, 200, "", ""},
		{"unwraps", func(w http.ResponseWriter) http.ResponseWriter { return openWriter{plainWriter{w}} }, 101, 200, "", ""},
		{"hides", func(w http.ResponseWriter) http.ResponseWriter { return plainWriter{w} }, 500, 500, "wirepost_test.plainWriter", "wirepost_test.plainWriter"},
		{"hides inside", func(w http.ResponseWriter) http.ResponseWriter { return openWriter{plainWriter{plainWriter{w}}} }, 500, 500, "wirepost_test.plainWriter", "wirepost_test.plainWriter"},
		{"fails", func(w http.ResponseWriter) http.ResponseWriter { return lyingWriter{plainWriter{w}} }, 500, 500, "wirepost_test.lyingWriter", "wirepost_test.lyingWriter"},
	}
	for _, c := range wrappers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var l logged
			n := newNode(t, logTo(&l, slog.LevelInfo))
			routes := map[string]http.Handler{"/ws": n.Server, "/sse": n.Events(), "/poll": n.Poll(), "/echo": n.Echo()}
			hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				routes[r.URL.Path].ServeHTTP(c.wrap(w), r)
			}))
			t.Cleanup(hs.Close)
			n.host = strings.TrimPrefix(hs.URL, "http://")
			for range 2 {
				for _, path := range []string{"/ws", "/echo"} {
					rule := handshakeRule{lines: map[string]string{"Request": "GET " + path + "?user=42 HTTP/1.1"}}
					nc, _, resp := rule.send(t, n)
					if resp.StatusCode != c.ws {
						t.Errorf("%s: %s", path, resp.Status)
					}
					nc.Close()
				}
				if resp := n.get("/sse", "user=42"); resp.StatusCode != c.sse {
					t.Errorf("/sse: %s", resp.Status)
				} else {
					resp.Body.Close()
				}
				if resp := n.get("/poll", "user=42&wait=0"); resp.StatusCode != 200 {
					t.Errorf("/poll: %s", resp.Status)
				}
			}
			for ability, want := range map[string]string{"http.Hijacker": c.hijacker, "http.Flusher": c.flusher} {
				all, right := l.lines("level=ERROR", ability), l.lines("level=ERROR", ability, want)
				if want == "" && all != 0 || want != "" && (all != 1 || right != 1) {
					t.Errorf("%s: %d errors, %d name %q", ability, all, right, want)
				}
			}
			if empty := l.lines("level=ERROR", "error=<nil>"); empty != 0 {
				t.Errorf("%d errors have error=<nil>", empty)
			}
			n.gone("42")
		})
	}
}

// TestInboxHint: a push to a user's ID, which is not the user's inbox, is logged once if the
// user is connected, and in development if the name looks like an ID.
func TestInboxHint(t *testing.T) {
	t.Parallel()
	for _, development := range []bool{false, true} {
		for _, connected := range []bool{false, true} {
			var l logged
			n := newNode(t, logTo(&l, slog.LevelInfo), func(o *wirepost.Options) { o.LogRefusals = development })
			if connected {
				n.dial("42")
			}
			n.push(wirepost.Push{To: "room:7", Data: []byte("1")})
			n.push(wirepost.Push{To: "user:41", Data: []byte("1")})
			n.push(wirepost.Push{To: "news", Data: []byte("1")})
			if got := l.lines("a push went to a channel"); got != 0 {
				t.Errorf("%d hints at channels and inboxes", got)
			}
			n.push(wirepost.Push{To: "42", Data: []byte("1")})
			n.push(wirepost.Push{To: "42", Data: []byte("1")})
			want := 0
			if connected || development {
				want = 1
			}
			if got := l.lines("a push went to a channel", "channel=42 inbox=user:42", "logged once"); got != want {
				t.Errorf("development %t, connected %t: %d hints, want %d", development, connected, got, want)
			}
		}
	}
}

// TestRefusalsLogged: a refused connection is logged with its reason, without its
// token, at level info if configured.
func TestRefusalsLogged(t *testing.T) {
	t.Parallel()
	for _, info := range []bool{false, true} {
		for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
			var l logged
			n := newNode(t, logTo(&l, level), func(o *wirepost.Options) { o.LogRefusals = info })
			n.get("/sse", "user=42&token=secret", "Origin", "https://evil.example")
			n.refusals("origin", 1)
			n.get("/poll", "user=42&channels=user:43&token=secret")
			n.get("/ws", "user=42")
			want := 0
			if info || level == slog.LevelDebug {
				want = 1
			}
			c, _ := n.dialV1("42")
			c.send(`{"type":"subscribe","ref":1,"channel":"news","presence":true}`)
			c.frame("error")
			c.send(`{"type":"unsubscribe","ref":2,"channel":"?"}`) // as clients do to get a response
			c.frame("error")
			if got := l.lines("refused a command"); got != want {
				t.Errorf("level %s, LogRefusals %t: %d commands are logged, want %d", level, info, got, want)
			}
			for _, words := range [][]string{
				{"msg=\"refused a command\"", "user=42", "connection=", "presence: true"},
				{"msg=refused", "path=/sse", "reason=origin", "origin=https://evil.example", "address=127.0.0.1:"},
				{"msg=refused", "path=/poll", "reason=forbidden", "inbox"},
				{"msg=refused", "path=/ws", "reason=bad_request", "WebSocket"},
			} {
				if got := l.lines(words...); got != want {
					t.Errorf("level %s, LogRefusals %t: %d lines with %q, want %d", level, info, got, words, want)
				}
			}
			if l.lines("secret") != 0 {
				t.Error("the log has a token")
			}
		}
	}
}
