package http1

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
)

var pushRequest = func() []byte {
	body := `{"to":"user:42","data":"` + strings.Repeat("x", 128) + `"}`
	return fmt.Appendf(nil, "POST /push HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\nAuthorization: Bearer key\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

// nowhere is a connection whose output goes nowhere.
type nowhere struct{ net.Conn }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// TestAllocs: a request like the one before makes nothing new, besides what its handler
// makes.
func TestAllocs(t *testing.T) {
	x := newTestExchange()
	x.conn.Conn = nowhere{x.conn.Conn}
	x.conn.server.options.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.Write(nil) //nolint:errcheck // there is nothing to write
	})
	if n := testing.AllocsPerRun(100, func() {
		size, ok := x.read(pushRequest, testRoom)
		if !ok || x.respond(pushRequest[:size], nil) != nil {
			t.Fatal("it is not served")
		}
	}); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}

// TestKept: a large response is not kept in memory by an idle connection.
func TestKept(t *testing.T) {
	x := newTestExchange()
	x.conn.Conn = nowhere{x.conn.Conn}
	x.conn.server.options.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, 100<<10)) //nolint:errcheck // it goes nowhere
	})
	for range 2 {
		size, ok := x.read(pushRequest, testRoom)
		if !ok || x.respond(pushRequest[:size], nil) != nil {
			t.Fatal("it is not served")
		}
		if kept := cap(x.content) + cap(x.out); kept > 2*maxKept {
			t.Errorf("%d bytes are kept", kept)
		}
	}
}
