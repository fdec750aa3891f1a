package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/wirepost/wirepost"
)

// newServer is a library server on loopback TCP, where ?user= sets the user.
func newServer(t testing.TB, change func(*wirepost.Options)) (*wirepost.Server, string) {
	t.Helper()
	o := wirepost.Options{
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			return wirepost.Identity{User: r.URL.Query().Get("user"), Subscribe: []string{"*"}}, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	s, err := wirepost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", s)
	mux.Handle("/sse", s.Events())
	mux.Handle("/poll", s.Poll())
	hs := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx) //nolint:errcheck // it is cut short on purpose
		hs.Close()
	})
	return s, strings.TrimPrefix(hs.URL, "http://")
}

// upgradeRequest is a handshake as bytes.
func upgradeRequest(host, query, more string) string {
	return "GET /ws?" + query + " HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + more + "\r\n"
}

// hangUp closes a connection with a reset or cleanly.
func hangUp(c *raw, reset bool) {
	if reset {
		c.Conn.(*net.TCPConn).SetLinger(0) //nolint:errcheck // it is closed anyway
	}
	c.Close()
}

// raw is a client that sends and receives bytes.
type raw struct {
	net.Conn
	in *bufio.Reader
}

// dialTCP connects and sends the beginning of a request.
func dialTCP(host, request string) (*raw, error) {
	nc, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails
	if _, err := io.WriteString(nc, request); err != nil {
		nc.Close()
		return nil, err
	}
	return &raw{nc, bufio.NewReader(nc)}, nil
}

// readResponse reads the response to a handshake.
func (c *raw) readResponse() error {
	answer, err := http.ReadResponse(c.in, nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(answer.Status)
	}
	return err
}

// dialRaw sends the beginning of a request, and reads the response if wanted.
func dialRaw(t testing.TB, host, request string, answered bool) *raw {
	t.Helper()
	c, err := dialTCP(host, request)
	if err == nil && answered {
		err = c.readResponse()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// allGone waits until the server has released all connections, and has no more
// goroutines than before.
func allGone(t testing.TB, s *wirepost.Server, goroutines int) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for give := time.Now().Add(patience); ; <-look.C {
		st, n := s.Stats(), runtime.NumGoroutine()
		if st.Connections == 0 && st.Users == 0 && st.Channels == 0 && n <= goroutines {
			return
		}
		if time.Now().After(give) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("left: %+v, %d goroutines, before %d\n%s", st, n, goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func masked(op ws.OpCode, fin bool, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewFrame(op, fin, []byte(payload))))
}

// TestCutHandshake cuts a handshake at every byte: all resources are released.
func TestCutHandshake(t *testing.T) {
	for _, mode := range []string{"", "Sec-WebSocket-Protocol: wirepost.v1\r\n"} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%.30q reset %v", mode, reset), func(t *testing.T) {
				s, host := newServer(t, nil)
				before := runtime.NumGoroutine()
				request := upgradeRequest(host, "user=42&channels=news,room:1&device=d", mode)
				for n := range len(request) + 1 {
					hangUp(dialRaw(t, host, request[:n], false), reset)
				}
				allGone(t, s, before)
			})
		}
	}
}

// TestCutFrames cuts a client's output at every byte, with fragments, compressed
// messages and a close frame, while messages are delivered.
func TestCutFrames(t *testing.T) {
	var conversation []byte
	for _, f := range [][]byte{
		masked(ws.OpText, true, `{"type":"ack","channel":"user:42","seq":1}`),
		masked(ws.OpText, false, `{"type":"subscribe",`),
		masked(ws.OpPing, true, "p"),
		masked(ws.OpContinuation, true, `"ref":1,"channel":"room:2"}`),
		masked(ws.OpText, true, `{"type":"publish","ref":2,"to":"room:2","data":`+strings.Repeat(" ", 130)+`1}`),
		masked(ws.OpClose, true, "\x03\xe8bye"),
	} {
		conversation = append(conversation, f...)
	}
	for _, mode := range []string{"", "Sec-WebSocket-Protocol: wirepost.v1\r\n"} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%.30q reset %v", mode, reset), func(t *testing.T) {
				s, host := newServer(t, func(o *wirepost.Options) { o.Compress = true })
				before := runtime.NumGoroutine()
				request := upgradeRequest(host, "user=42&channels=news", mode+"Sec-WebSocket-Extensions: permessage-deflate\r\n")
				for n := range len(conversation) + 1 {
					c := dialRaw(t, host, request, true)
					if n%7 == 0 {
						if _, err := s.Push(t.Context(), wirepost.Push{To: "news", Data: []byte("1")}); err != nil {
							t.Fatal(err)
						}
					}
					if _, err := c.Write(conversation[:n]); err != nil {
						t.Fatal(err)
					}
					hangUp(c, reset)
				}
				allGone(t, s, before)
			})
		}
	}
}

// TestCutResponses cuts clients that are reading a large message, an event stream or a
// poll.
func TestCutResponses(t *testing.T) {
	s, host := newServer(t, func(o *wirepost.Options) { o.MaxMessage = 1 << 20 })
	before := runtime.NumGoroutine()
	for range 8 {
		data := []byte(`"` + strings.Repeat("x", 1<<19) + `"`)
		if _, err := s.Push(t.Context(), wirepost.Push{To: "user:42", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	get := func(path string) string { return "GET " + path + "?user=42 HTTP/1.1\r\nHost: " + host + "\r\n\r\n" }
	for n := range 40 {
		for _, request := range []string{upgradeRequest(host, "user=42", ""), get("/sse"), get("/poll")} {
			c := dialRaw(t, host, request, false)
			if _, err := io.CopyN(io.Discard, c, int64(n*n*n)); err != nil {
				t.Fatal(err)
			}
			hangUp(c, n%2 == 0)
		}
	}
	allGone(t, s, before)
}

// TestHalfOpen: clients that vanished are detected by their silence, and disconnected
// if they do not answer the close frame either.
func TestHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const heartbeat, closeTimeout = 10 * time.Second, 5 * time.Second
		s, err := wirepost.New(wirepost.Options{
			Authenticate: func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{User: "42"}, nil },
			Logger:       slog.New(slog.DiscardHandler), Heartbeat: heartbeat,
		})
		if err != nil {
			t.Fatal(err)
		}
		conns := make(chan net.Conn)
		hs := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
		var serving sync.WaitGroup
		serving.Go(func() { hs.Serve(pipes(conns)) }) //nolint:errcheck // it ends with the pipes
		var silent sync.WaitGroup
		began := time.Now()
		for n := range 100 {
			here, there := net.Pipe()
			conns <- there
			silent.Go(func() {
				defer here.Close()
				request := upgradeRequest("wirepost.test", "", "")
				if n%2 == 0 {
					request = request[:n] // the rest is never sent
				}
				io.WriteString(here, request) //nolint:errcheck // the connection may be closed
				io.Copy(io.Discard, here)     //nolint:errcheck // the same
				limit := heartbeat*24/10 + closeTimeout + time.Second
				if n%2 == 0 {
					limit = 10 * time.Second
				}
				if took := time.Since(began); took > limit {
					t.Errorf("connection %d was held for %s", n, took)
				}
			})
		}
		silent.Wait()
		synctest.Wait()
		if st := s.Stats(); st.Connections != 0 || st.Users != 0 {
			t.Errorf("left: %+v", st)
		}
		close(conns)
		serving.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// pipes is a listener of connections in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
