package http1

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// handshake is a WebSocket handshake.
func handshake(query string) string {
	return fmt.Sprintf("GET /push%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query)
}

// hijack takes a connection over, reads "a frame", and responds with it.
func hijack(w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	var frame [len("a frame")]byte
	_, err = io.ReadFull(rw, frame[:])
	fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s %v", frame, err)
	rw.Flush() //nolint:errcheck // the client sees it
}

// A handler that hijacks a connection can have the socket itself, whoever serves the request,
// and net/http leaves it alone: when it notices that it has nothing to serve, and when it
// shuts down.
func TestHijack(t *testing.T) {
	t.Parallel()
	for path, served := range map[string]bool{"/push": true, "/else": false} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			taken := make(chan net.Conn, 1)
			s := newTestServer(t, true, func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				c, _, err := rc.Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, err := rc.Hijack(); err == nil {
					t.Error("it was hijacked twice")
				}
				if d, ok := c.(interface{ Detach() net.Conn }); ok {
					c = d.Detach()
				}
				if _, ok := c.(*net.TCPConn); !ok {
					t.Errorf("it is a %T", c)
				}
				taken <- c
			})
			c := s.open()
			io.WriteString(c, "GET "+path+handshake("")[len("GET /push"):]) //nolint:errcheck // the handler is called
			socket := <-taken
			defer socket.Close()
			if err := s.pushes.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.http.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if served {
				s.mu.Lock()
				if s.states[http.StateActive] > 0 {
					t.Errorf("net/http saw %v", s.states)
				}
				s.mu.Unlock()
			}
			go io.WriteString(socket, "still here\n") //nolint:errcheck // it is read below
			if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "still here\n" {
				t.Errorf("%q, %v", line, err)
			}
		})
	}
}

// Only a handshake can be hijacked, and only before it has a response.
func TestHijackNot(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _, err := http.NewResponseController(w).Hijack()
		fmt.Fprint(w, err)
	})
	c := s.open()
	in := bufio.NewReader(c)
	for _, request := range []string{"POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", handshake("")} {
		io.WriteString(c, request) //nolint:errcheck // the response says so
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != http.ErrNotSupported.Error() {
			t.Errorf("%s: %q, %v", request, body, err)
		}
	}
}
