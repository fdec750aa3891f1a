package http1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	close(l.closed)
	return nil
}

func (l *pipes) Addr() net.Addr { return nil }

// inTime runs a test with a connection to a server whose timeouts are those of the command.
func inTime(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, c net.Conn, pushes *Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const head, idle = 10 * time.Second, 2 * time.Minute
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		s := &http.Server{Handler: handler, ReadHeaderTimeout: head, IdleTimeout: idle}
		pushes := NewServer(Options{
			Serves:  servesPush,
			Handler: handler, HeadTimeout: head, IdleTimeout: idle,
		})
		go s.Serve(pushes.Listener(l)) //nolint:errcheck // it ends with Close
		ours, theirs := net.Pipe()
		l.conns <- theirs
		test(t, ours, pushes)
		ours.Close()
		s.Close() //nolint:errcheck // it is not used again
		synctest.Wait()
	})
}

const emptyPush = "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

// checkClosed checks when the server closes the connection.
func checkClosed(t *testing.T, c net.Conn, least, most time.Duration) {
	t.Helper()
	began := time.Now()
	if n, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if took := time.Since(began); took < least || took > most {
		t.Errorf("closed after %s, want %s to %s", took, least, most)
	}
}

// TestIdle: an idle connection is closed after the timeout, or a little later.
func TestIdle(t *testing.T) {
	inTime(t, echo, func(t *testing.T, c net.Conn, _ *Server) {
		in := bufio.NewReader(c)
		for range 5 {
			time.Sleep(9 * time.Second)  // in all, longer than what a head may take
			io.WriteString(c, emptyPush) //nolint:errcheck // the response says so
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, response.Body) //nolint:errcheck // the next response says so
		}
		checkClosed(t, c, 2*time.Minute, 2*time.Minute+deadlineRoom)
	})
}

// TestSlowBody: a body that stops is left to net/http, and to the deadline of the handler.
func TestSlowBody(t *testing.T) {
	var err error
	inTime(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Error(err)
		}
		_, err = io.ReadAll(r.Body)
		w.Header().Set("Connection", "close")
	}, func(t *testing.T, c net.Conn, _ *Server) {
		io.WriteString(c, "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{") //nolint:errcheck // the handler says so
		checkClosed(t, c, 30*time.Second, 30*time.Second+10*time.Second+deadlineRoom)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the handler's error: %v", err)
		}
	})
}

// TestSlowReader: a client that does not read is cut at the deadline that the handler has
// set, or a little later. The next handler sets another, or none.
func TestSlowReader(t *testing.T) {
	const stall = time.Minute
	inTime(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)); err != nil {
			t.Error(err)
		}
	}, func(t *testing.T, c net.Conn, _ *Server) {
		io.WriteString(c, emptyPush) //nolint:errcheck // the rest says so
		time.Sleep(stall - time.Second)
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatalf("before the deadline: %v", err)
		}
		io.WriteString(c, emptyPush) //nolint:errcheck // the rest says so
		time.Sleep(stall + deadlineRoom)
		synctest.Wait()
		checkClosed(t, c, 0, 0)
	})
}

// TestDrip: a body that comes byte by byte is left to net/http as well, and to the deadline
// of the handler for the whole body.
func TestDrip(t *testing.T) {
	called := make(chan time.Time, 1)
	inTime(t, func(w http.ResponseWriter, r *http.Request) {
		called <- time.Now()
	}, func(t *testing.T, c net.Conn, _ *Server) {
		began := time.Now()
		io.WriteString(c, "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n") //nolint:errcheck // the handler says so
		go io.Copy(io.Discard, c)                                                          //nolint:errcheck // it ends with the connection
		for range 5 {
			time.Sleep(9 * time.Second)
			io.WriteString(c, "x") //nolint:errcheck // likewise
		}
		select {
		case at := <-called:
			if took := at.Sub(began); took > 10*time.Second+deadlineRoom {
				t.Errorf("the handler is called after %s", took)
			}
		default:
			t.Error("the handler is not called")
		}
	})
}

// TestShutdownWithoutBody: a shutdown does not wait for the rest of a body.
func TestShutdownWithoutBody(t *testing.T) {
	inTime(t, func(w http.ResponseWriter, r *http.Request) {
		t.Error("the handler is called")
	}, func(t *testing.T, c net.Conn, pushes *Server) {
		io.WriteString(c, "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{") //nolint:errcheck // the rest says so
		synctest.Wait()
		began := time.Now()
		if err := pushes.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %s", took)
		}
		checkClosed(t, c, 0, 0)
	})
}

// TestShutdownInHead: a request whose head is arriving has its response.
func TestShutdownInHead(t *testing.T) {
	inTime(t, echo, func(t *testing.T, c net.Conn, pushes *Server) {
		io.WriteString(c, "GET / HTTP/1.1\r\n") //nolint:errcheck // the response says so
		synctest.Wait()
		if err := pushes.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		io.WriteString(c, "Host: a\r\n\r\n") //nolint:errcheck // likewise
		if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestLateConnection: a connection that is accepted after a shutdown is closed.
func TestLateConnection(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	l := &pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- theirs
	pushes := NewServer(Options{})
	if err := pushes.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := pushes.Listener(l)
	accepted := make(chan error)
	go func() {
		_, err := late.Accept()
		accepted <- err
	}()
	checkClosed(t, ours, 0, patience)
	late.Close()
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestShorterDeadline: a deadline for a response holds also when it is earlier than that of
// the response before.
func TestShorterDeadline(t *testing.T) {
	stall := time.Minute
	inTime(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)); err != nil {
			t.Error(err)
		}
		stall = 5 * time.Second
	}, func(t *testing.T, c net.Conn, _ *Server) {
		io.WriteString(c, emptyPush) //nolint:errcheck // the rest says so
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, emptyPush) //nolint:errcheck // the rest says so
		time.Sleep(5*time.Second + deadlineRoom)
		synctest.Wait()
		checkClosed(t, c, 0, 0)
	})
}
