package tutorials

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/examples/internal/trial"
)

// server is a hub, or Wirepost, as its clients see it.
type server struct {
	url    string
	push   func(user, text string) (online bool)
	online func(user string) bool
}

// tutorial starts a Hub.
func tutorial(t *testing.T) (*Hub, *server) {
	h := NewHub()
	hs := httptest.NewServer(http.HandlerFunc(h.GetPushNews))
	t.Cleanup(hs.Close)
	return h, &server{url: hs.URL, push: h.Push, online: func(user string) bool { return h.client(user) != nil }}
}

// replacement starts Wirepost.
func replacement(t *testing.T) *server {
	srv, err := wirepost.New(wirepost.Options{
		Heartbeat: 100 * time.Millisecond,
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: r.URL.Query().Get("userId")}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	t.Cleanup(func() {
		srv.Shutdown(context.Background()) //nolint:errcheck // clients may hang
		hs.Close()
	})
	return &server{
		url: hs.URL,
		push: func(user, text string) bool {
			m, err := srv.Push(context.Background(), wirepost.Push{To: wirepost.InboxOf(user), ContentType: "text/plain", Data: []byte(text)})
			if err != nil {
				t.Error(err)
			}
			return m.Online > 0
		},
		online: func(user string) bool {
			n, err := srv.Online(context.Background(), user)
			return err != nil || n > 0
		},
	}
}

// dial connects a user. What is sent to the client waits in its socket until it reads.
func (s *server) dial(t *testing.T, user string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial(strings.Replace(s.url, "http", "ws", 1)+"/?userId="+user, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func next(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, data, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// cut cuts the connection of a client, as a phone does that loses its network.
func (s *server) cut(t *testing.T, c *websocket.Conn, user string) {
	t.Helper()
	c.NetConn().(*net.TCPConn).SetLinger(0)
	c.NetConn().Close()
	trial.Until(t, func() bool { return !s.online(user) })
}

// TestLostMessage: a message that was written to a socket, and not received, is lost. The hub
// took it for delivered.
func TestLostMessage(t *testing.T) {
	lost := func(t *testing.T, s *server, want string) {
		c := s.dial(t, "42")
		trial.Until(t, func() bool { return s.online("42") })
		if !s.push("42", "first") {
			t.Fatal("42 is offline")
		}
		s.cut(t, c, "42") // before it has read
		s.push("42", "second")
		if got := next(t, s.dial(t, "42")); got != want {
			t.Errorf("the first message after the next login is %q, want %q", got, want)
		}
	}
	t.Run("tutorial", func(t *testing.T) {
		_, s := tutorial(t)
		lost(t, s, "second")
	})
	t.Run("wirepost", func(t *testing.T) { lost(t, replacement(t), "first") })
}

// TestLeakedGoroutine: nothing ends the goroutine that waits for messages to write.
func TestLeakedGoroutine(t *testing.T) {
	const clients = 20
	comeAndGo := func(t *testing.T, s *server) {
		for i := range clients {
			user := fmt.Sprint(i)
			c := s.dial(t, user)
			s.push(user, "hello")
			next(t, c)
			s.cut(t, c, user)
		}
	}
	writing := func() int {
		var all bytes.Buffer
		pprof.Lookup("goroutine").WriteTo(&all, 2)
		return strings.Count(all.String(), "(*client).write(")
	}
	t.Run("tutorial", func(t *testing.T) {
		before := writing()
		_, s := tutorial(t)
		comeAndGo(t, s)
		if n := writing() - before; n != clients {
			t.Errorf("%d goroutines write to clients that are gone, not %d", n, clients)
		}
	})
	t.Run("wirepost", func(t *testing.T) {
		// No client has a goroutine: see examples/gin-hello, whose test counts them.
		comeAndGo(t, replacement(t))
	})
}

// gate is a connection whose writes wait while it is closed.
type gate struct {
	net.Conn
	mu     sync.Mutex
	closed chan struct{} // nil: open
	waits  chan struct{}
}

func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		g.waits <- struct{}{}
		<-closed
	}
	return g.Conn.Write(b)
}

type gates struct {
	net.Listener
	made chan *gate
}

func (l *gates) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &gate{Conn: c, waits: make(chan struct{}, 1)}
	l.made <- g
	return g, nil
}

// TestConcurrentWrite: the heartbeat writes while a message is being written. In a handler,
// net/http would recover from the panic; in a goroutine of its own it ends the program.
func TestConcurrentWrite(t *testing.T) {
	h := NewHub()
	hs := httptest.NewUnstartedServer(http.HandlerFunc(h.GetPushNews))
	made := make(chan *gate, 1)
	hs.Listener = &gates{hs.Listener, made}
	hs.Start()
	defer hs.Close()
	s := &server{url: hs.URL}
	s.dial(t, "42")
	slow := <-made
	trial.Until(t, func() bool { return h.client("42") != nil })
	slow.mu.Lock()
	slow.closed = make(chan struct{})
	slow.mu.Unlock()
	h.Push("42", "hello")
	<-slow.waits // the message is being written
	defer close(slow.closed)
	defer func() {
		if p := fmt.Sprint(recover()); p != "concurrent write to websocket connection" {
			t.Errorf("a ping meanwhile: %s", p)
		}
	}()
	h.client("42").ping() //nolint:errcheck // it panics
}

// TestDeadConnection: a client that does not respond stays online, because writing to it
// succeeds, and nobody looks for its pongs.
func TestDeadConnection(t *testing.T) {
	t.Run("tutorial", func(t *testing.T) {
		h, s := tutorial(t)
		s.dial(t, "42") // it does not read, so it answers no ping
		trial.Until(t, func() bool { return s.online("42") })
		for range 100 {
			if err := h.client("42").ping(); err != nil {
				t.Fatal(err)
			}
		}
		if !s.online("42") {
			t.Error("it was found to be dead")
		}
	})
	t.Run("wirepost", func(t *testing.T) {
		s := replacement(t)
		s.dial(t, "42")
		trial.Until(t, func() bool { return !s.online("42") })
	})
}

// TestSecondTab: the second tab takes the place of the first, and the first takes the second
// with it when it closes.
func TestSecondTab(t *testing.T) {
	t.Run("tutorial", func(t *testing.T) {
		h, s := tutorial(t)
		first := s.dial(t, "42")
		trial.Until(t, func() bool { return s.online("42") })
		before := h.client("42")
		second := s.dial(t, "42")
		trial.Until(t, func() bool { return h.client("42") != before })
		s.push("42", "hello")
		if got := next(t, second); got != "hello" {
			t.Errorf("the second tab: %q", got)
		}
		s.cut(t, first, "42") // it received nothing; and with it the user is offline
		if _, _, err := second.ReadMessage(); err == nil {
			t.Error("the second tab is still connected")
		}
	})
	t.Run("wirepost", func(t *testing.T) {
		s := replacement(t)
		first, second := s.dial(t, "42"), s.dial(t, "42")
		s.push("42", "hello")
		for _, tab := range []*websocket.Conn{first, second} {
			if got := next(t, tab); got != "hello" {
				t.Errorf("a tab: %q", got)
			}
		}
		first.Close()
		s.push("42", "to the second")
		if got := next(t, second); got != "to the second" {
			t.Errorf("the second tab: %q", got)
		}
	})
}

// TestRestart: what was kept for users that are offline is in memory only.
func TestRestart(t *testing.T) {
	h, _ := tutorial(t)
	h.Push("42", "your order has shipped")
	_, s := tutorial(t) // the program starts again
	s.push("42", "second")
	if got := next(t, s.dial(t, "42")); got != "second" {
		t.Errorf("after the restart: %q", got)
	}
	// With Wirepost: see examples/gin-push, whose test kills the program.
}
