package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/wire"
)

// script is what a scripted server does with one connection.
type script func(t *testing.T, p *peer)

// peer is the server's end of a follower's connection.
type peer struct {
	conn  *websocket.Conn
	query url.Values
	token string
}

func (p *peer) send(frames ...string) {
	for _, f := range frames {
		p.conn.Write(context.Background(), websocket.MessageText, []byte(f)) //nolint:errcheck // the test tells
	}
}

// acks reads n acknowledgements.
func (p *peer) acks(t *testing.T, n int) (frames []string) {
	t.Helper()
	for range n {
		_, frame, err := p.conn.Read(context.Background())
		if err != nil {
			t.Errorf("waiting for an acknowledgement: %v", err)
			return frames
		}
		frames = append(frames, string(frame))
	}
	return frames
}

const hello = `{"type":"hello","user":"42","epoch":"e1","heartbeat_ms":25000,"channels":{"user:42":{"seq":2,"unread":2},"news":{"seq":7}}}`

func message(channel string, seq int, data string) string {
	return fmt.Sprintf(`{"type":"message","channel":%q,"seq":%d,"data":%s}`, channel, seq, data)
}

// followScripts runs a follower against a server that serves one connection
// after the other as the scripts say, and interrupts it after the last one,
// unless it has ended by itself.
func followScripts(t *testing.T, c *listenCommand, scripts ...script) (stdout, stderr string, err error) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	listener := newPipes()
	var all sync.WaitGroup
	var connections atomic.Int32
	server := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := int(connections.Add(1))
			script := scripts[n-1]
			if r.URL.Query().Get("user") == "refused" {
				script(t, nil)
				http.Error(w, `{"detail":"no"}`, http.StatusForbidden)
				return
			}
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.ProtocolV1}})
			if err != nil {
				t.Error(err)
				return
			}
			script(t, &peer{conn: conn, query: r.URL.Query(), token: r.Header.Get("Authorization")})
			if n == len(scripts) {
				synctest.Wait() // until the follower has taken all that
				interrupt()
				conn.Read(context.Background()) //nolint:errcheck // until it is closed
			}
			conn.CloseNow() //nolint:errcheck // closed already, mostly
		}),
	}
	all.Go(func() { server.Serve(listener) }) //nolint:errcheck // ends with Close
	var out, errs bytes.Buffer
	if err := c.Server.UnmarshalText([]byte("http://wirepost.test")); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: listener.dial}
	f := &follower{
		listenCommand: c, terminal: &terminal{Out: &out, Err: &errs},
		http: &http.Client{Transport: transport}, place: place{channels: c.Channel, after: c.After},
	}
	err = f.follow(ctx)
	server.Close()
	transport.CloseIdleConnections()
	all.Wait()
	if n := connections.Load(); int(n) != len(scripts) {
		t.Errorf("%d connections, want %d; stderr:\n%s", n, len(scripts), errs.String())
	}
	return out.String(), errs.String(), err
}

func TestFollowAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &listenCommand{User: "42", Device: "d1", Channel: []string{"news"}, Token: "secret"}
		stdout, stderr, err := followScripts(t, c, func(t *testing.T, p *peer) {
			if got := p.query.Encode(); got != "channels=news&device=d1&user=42" || p.token != "Bearer secret" {
				t.Errorf("query %s, token %s", got, p.token)
			}
			began := time.Now()
			p.send(hello, message("user:42", 1, `"a"`), message("user:42", 2, `{"b":1}`), message("news", 8, `3`),
				`{"type":"something new"}`,
				`{"type":"gap","channel":"news","after":8,"resumed_at":12}`,
				`{"type":"revoke","channel":"user:42","seq":3,"revoked":1,"id":"x"}`)
			got := map[string]bool{}
			for _, frame := range p.acks(t, 2) {
				got[frame] = true
			}
			want := map[string]bool{`{"type":"ack","channel":"user:42","seq":3}`: true, `{"type":"ack","channel":"news","seq":8}`: true}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("acknowledgements (-want +got):\n%s", diff)
			}
			if waited := time.Since(began); waited != ackDelay {
				t.Errorf("acknowledged after %s, want %s", waited, ackDelay)
			}
			// Half a window is acknowledged at once.
			began = time.Now()
			for i := range ackCount {
				p.send(message("user:42", 10+i, "1"))
			}
			if got := p.acks(t, 1)[0]; got != fmt.Sprintf(`{"type":"ack","channel":"user:42","seq":%d}`, 9+ackCount) {
				t.Errorf("acknowledged with %s", got)
			}
			if waited := time.Since(began); waited != 0 {
				t.Errorf("half a window was acknowledged after %s", waited)
			}
		})
		if err != nil {
			t.Error(err)
		}
		if want := "[user:42 1] \"a\"\n[user:42 2] {\"b\":1}\n[news 8] 3\n"; !strings.HasPrefix(stdout, want) {
			t.Errorf("got %s", stdout)
		}
		for _, want := range []string{"connected as 42, 2 unread", "gap in news: what came after 8 is gone, it goes on at 12", "user:42 1 was revoked"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("stderr lacks %q:\n%s", want, stderr)
			}
		}
	})
}

func TestFollowReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Time
		c := &listenCommand{User: "42", Channel: []string{"news"}, JSON: true}
		stdout, stderr, err := followScripts(
			t, c,
			func(t *testing.T, p *peer) {
				p.send(hello, message("user:42", 1, "1"), message("user:42", 2, "2"))
				p.acks(t, 1)
				p.send(`{"type":"bye","code":1012,"reason":"restart","retry_after_ms":3700}`)
				left = time.Now()
				p.conn.Close(wire.CloseRestart, "restart") //nolint:errcheck // the next script tells
			},
			func(t *testing.T, p *peer) {
				if waited := time.Since(left); waited != 3700*time.Millisecond {
					t.Errorf("came back after %s, and bye said 3.7 s", waited)
				}
				// The server knows the inbox's place; that of news only the client.
				if after := p.query.Get("after"); after != "news=7" {
					t.Errorf("after=%s", after)
				}
				p.send(hello, message("user:42", 2, "2"), message("user:42", 3, "3"), message("news", 8, "8"))
				p.acks(t, 2)
				left = time.Now()
			},
			func(t *testing.T, p *peer) {
				if waited := time.Since(left); waited > firstWait {
					t.Errorf("came back after %s", waited)
				}
				if after := p.query.Get("after"); after != "news=8" {
					t.Errorf("after=%s", after)
				}
				p.send(strings.Replace(hello, "e1", "e2", 1))
				p.conn.Read(t.Context()) //nolint:errcheck // it leaves: this is another store
			},
			func(t *testing.T, p *peer) {
				if after := p.query.Get("after"); after != "" {
					t.Errorf("after=%s for another store", after)
				}
				p.send(strings.Replace(hello, "e1", "e2", 1), message("user:42", 1, `"new"`))
				p.acks(t, 1)
			},
		)
		if err != nil {
			t.Error(err)
		}
		want := strings.Join([]string{
			message("user:42", 1, "1"), message("user:42", 2, "2"), message("user:42", 3, "3"),
			message("news", 8, "8"), message("user:42", 1, `"new"`), "",
		}, "\n")
		if diff := cmp.Diff(want, stdout); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
		for _, want := range []string{"1012: restart; connecting again in 3.7s", "the connection broke", "the server's data are new"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("stderr lacks %q:\n%s", want, stderr)
			}
		}
	})
}

func TestFollowCutsADeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began time.Time
		_, stderr, err := followScripts(
			t, &listenCommand{User: "42"},
			func(t *testing.T, p *peer) {
				p.send(hello)
				time.Sleep(50 * time.Second)
				began = time.Now()
				go p.conn.Ping(t.Context()) //nolint:errcheck // it ends with the connection
				p.conn.Read(t.Context())    //nolint:errcheck // until the follower gives up
			},
			func(t *testing.T, _ *peer) {
				if waited := time.Since(began); waited < time.Minute || waited > time.Minute+firstWait {
					t.Errorf("gave up after %s, want 2.4 heartbeats after the last ping", waited)
				}
			},
		)
		if err != nil || !strings.Contains(stderr, "the connection broke") {
			t.Errorf("%v, stderr:\n%s", err, stderr)
		}
	})
}

func TestFollowEnds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		user   string
		script script
		want   string
	}{
		{"token expired", "42", closes(wire.CloseUnauthorized, "expired"), "4401: expired"},
		{"disconnected", "42", closes(wire.CloseDisconnected, ""), "with 4409"},
		{"closed on purpose", "42", closes(wire.CloseNormal, ""), "with 1000"},
		{"refused", "refused", func(*testing.T, *peer) {}, "403 Forbidden: no"},
		{"nonsense", "42", func(_ *testing.T, p *peer) {
			p.send("hi")
			p.conn.Read(context.Background()) //nolint:errcheck // until the follower leaves
		}, "no frame of wirepost.v1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, err := followScripts(t, &listenCommand{User: tc.user}, tc.script)
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want …%s…", err, tc.want)
				}
			})
		})
	}
}

func closes(code websocket.StatusCode, reason string) script {
	return func(_ *testing.T, p *peer) {
		p.send(hello)
		p.conn.Close(code, reason) //nolint:errcheck // the follower tells
	}
}

func TestPlace(t *testing.T) {
	p := place{channels: []string{"news", "member"}, after: "5"}
	check := func(want string) {
		t.Helper()
		if got := p.from(); got != want {
			t.Errorf("after=%s, want %s", got, want)
		}
	}
	check("5")
	p.resume(&wire.Hello{User: "42", Epoch: "e", Channels: map[string]wire.Place{
		"user:42": {Seq: 9, Read: 9}, "news": {Seq: 7}, "member": {Seq: 4, Read: 1, Unread: 3},
	}})
	// news begins at its head; a membership where the server says; the inbox where
	// it was asked to.
	check("news=7,user:42=5")
	if !p.advance("user:42", 6) || p.advance("user:42", 6) || p.advance("user:42", 5) || !p.advance("member", 1) {
		t.Error("a repeat was taken for new, or the other way round")
	}
	check("member=1,news=7,user:42=6")

	p = place{after: "a=b=3"}
	p.resume(&wire.Hello{User: "42", Epoch: "e"})
	check("a=b=3")
	p.advance("a=b", 4)
	check("a=b=4")
}

func TestBackoff(t *testing.T) {
	var b backoff
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if got := b.next(1); got != want*time.Second {
			t.Errorf("wait %d is at most %s, want %d s", i, got, want)
		}
	}
	if got := (&backoff{attempt: 1000}).next(0); got != 0 {
		t.Errorf("the least wait is %s", got)
	}
}

func TestEventText(t *testing.T) {
	for _, tc := range []struct {
		event event
		want  string
	}{
		{event{Data: []byte(`{"a":1}`)}, `{"a":1}`},
		{event{ContentType: "text/plain", Data: []byte(`"a\nb"`)}, `a\nb`},
		{event{ContentType: "text/plain", Data: []byte(`"\u001b[2J"`)}, `\x1b[2J`},
		{event{ContentType: "image/png", DataBase64: "/wA="}, "<2 bytes of image/png>"},
		{event{ContentType: "application/xml", DataBase64: "PGEvPg=="}, "<a/>"},
	} {
		if got := tc.event.text(); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.event, got, tc.want)
		}
	}
}

// pipes is a listener of in-memory connections.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
