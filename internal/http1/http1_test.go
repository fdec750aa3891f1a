package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is enough for anything on a busy machine.
const patience = time.Minute

// echo responds with what it got.
func echo(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(patience))  //nolint:errcheck // both servers can
	rc.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // likewise
	body, err := io.ReadAll(r.Body)
	switch r.URL.Query().Get("do") {
	case "panic":
		panic(http.ErrAbortHandler)
	case "nothing":
		return
	case "none":
		w.WriteHeader(http.StatusNoContent)
		return
	case "none written":
		w.WriteHeader(http.StatusNoContent)
		rc.Flush() //nolint:errcheck // the client sees it
	case "hijack":
		hijack(w)
		return
	case "close":
		w.Header().Set("Connection", "close")
	case "parts":
		for i := range 3 {
			fmt.Fprintf(w, "part %d\n", i)
			rc.Flush() //nolint:errcheck // the client sees it
		}
	case "flush":
		rc.Flush() //nolint:errcheck // likewise
	case "long":
		w.Write(bytes.Repeat([]byte("0123456789"), 10_000)) //nolint:errcheck // likewise
	case "declared":
		w.Header().Set("Content-Length", "10000")
		for range 10 {
			w.Write(make([]byte, 1000)) //nolint:errcheck // likewise
		}
		return
	case "header":
		w.Header()["X-Two"] = []string{"b", "a\r\nX-Injected: 1"}
		w.Header().Set("Content-Type", "text/x")
		w.WriteHeader(http.StatusTeapot)
	}
	_, local := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	fmt.Fprintf(w, "%s %s %s host=%s length=%d header=%v local=%v close=%v from=%v\n%q %v\n",
		r.Method, r.URL, r.Proto, r.Host, r.ContentLength, r.Header, local, r.Close, r.RemoteAddr != "", body, err)
}

// testServer is an http.Server, with small pushes served or without.
type testServer struct {
	t       testing.TB
	address string
	http    *http.Server
	pushes  *Server
	served  chan error

	mu     sync.Mutex
	states map[http.ConnState]int // guarded by mu: how many connections came into each
}

func (s *testServer) count(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[state]++
}

func newTestServer(t testing.TB, small bool, handler http.HandlerFunc) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{t: t, address: l.Addr().String(), states: map[http.ConnState]int{}, served: make(chan error, 1)}
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: patience, ConnState: s.count}
	if small {
		s.pushes = NewServer(Options{
			Serves:  servesPush,
			Handler: handler, HeadTimeout: patience, IdleTimeout: patience,
		})
		l = s.pushes.Listener(l)
	}
	go func() { s.served <- s.http.Serve(l) }()
	t.Cleanup(func() {
		s.http.Close() //nolint:errcheck // it ends
		<-s.served
	})
	return s
}

// servesPush is Options.Serves for most tests.
func servesPush(_ string, target []byte) bool { return bytes.HasPrefix(target, []byte("/push")) }

// open opens a connection.
func (s *testServer) open() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the next call says so
	return c
}

// talk sends pieces over one connection, and returns everything that comes back.
func (s *testServer) talk(pieces []string) string {
	s.t.Helper()
	c := s.open()
	var sent sync.WaitGroup
	sent.Go(func() {
		for _, p := range pieces {
			if _, err := io.WriteString(c, p); err != nil {
				return // the server has closed the connection
			}
		}
	})
	var all strings.Builder
	in := bufio.NewReader(c)
	for {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			fmt.Fprintf(&all, "%v\n", errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
			break
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		_, dated := response.Header["Date"]
		response.Header.Del("Date")
		fmt.Fprintf(&all, "%s %d %v %v date=%v\n%v\n%s %v\n", response.Status, response.ContentLength, response.TransferEncoding, response.Close, dated, response.Header, body, err)
		if response.Close {
			break
		}
	}
	c.Close()
	sent.Wait()
	return all.String()
}

// TestSame: a client sees no difference, whoever serves its requests.
func TestSame(t *testing.T) {
	t.Parallel()
	with, without := newTestServer(t, true, echo), newTestServer(t, false, echo)
	push := func(query, header, body string) string {
		return fmt.Sprintf("POST /push%s HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s", query, header, len(body), body)
	}
	const last = "GET /else HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for name, pieces := range map[string][]string{
		"one":               {push("", "", "{}"), last},
		"same again":        {push("", "Authorization: Bearer k\r\n", "{}"), push("", "Authorization: Bearer k\r\n", "{}"), push("", "Authorization: Bearer l\r\n", "[]"), last},
		"fewer lines":       {push("", "A: 1\r\nB: 2\r\n", "{}"), push("", "B: 2\r\n", "{}"), push("/x", "", ""), last},
		"at once":           {push("", "", "{}") + push("?a=1", "", "{}{}") + push("", "", "") + last},
		"body later":        {"POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", "{", "}", "  " + push("", "", "1"), last},
		"head in pieces":    {push("", "", "{}"), "POST /push HTT", "P/1.1\r\nHost: a\r\nContent-", "Length: 2\r\n\r\n{}" + push("", "", "{}"), last},
		"long body":         {push("", "", "{}"), push("", "", strings.Repeat("x", 100_000)), push("", "", "{}"), last},
		"just too long":     {push("", "", strings.Repeat("x", testRoom)), last},
		"chunked":           {push("", "", "{}"), "POST /push HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", push("", "", "{}"), last},
		"handshake":         {push("", "", "{}"), handshake("?do=hijack"), "a frame"},
		"early frame":       {handshake("?do=hijack") + "a f", "rame"},
		"refused handshake": {handshake("") + push("", "", "{}"), handshake(""), last},
		"handshake, body":   {strings.Replace(handshake(""), "\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n{}", 1), last},
		"GET between":       {push("", "", "{}"), "GET /push HTTP/1.1\r\nHost: a\r\n\r\n", push("", "", "{}"), last},
		"closed by client":  {push("", "", "{}"), push("", "Connection: close\r\n", "{}")},
		"closed by handler": {push("", "", "{}"), push("?do=close", "", "{}")},
		"HTTP/1.0":          {"POST /push HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"},
		"panic":             {push("", "", "{}"), push("?do=panic", "", "{}")},
		"nothing":           {push("?do=nothing", "", "{}"), last},
		"none":              {push("?do=none", "", "{}"), push("", "", "{}"), last},
		"none written":      {push("?do=none%20written", "", "{}"), push("", "", "{}"), last},
		"declared":          {push("?do=declared", "", "{}"), push("", "", "{}"), last},
		"pragma":            {push("", "Pragma: no-cache\r\n", "{}"), last},
		"parts":             {push("?do=parts", "", "{}"), push("", "", "{}"), last},
		"flush":             {push("?do=flush", "", "{}"), push("", "", "{}"), last},
		"long":              {push("?do=long", "", "{}"), push("", "", "{}"), last},
		"header":            {push("?do=header", "", "{}"), push("", "", "{}"), last},
		"bad length":        {push("", "", "{}"), "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n{}"},
		"two lengths":       {push("", "", "{}"), "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"},
		"no host":           {"POST /push HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"},
		"garbage":           {push("", "", "{}"), "\x16\x03\x01\r\n\r\n"},
		"empty lines":       {push("", "", "{}") + "\r\n", push("", "", "{}") + "\r\n" + push("", "", "{}"), "\r\n", last},
		"more empty lines":  {push("", "", "{}") + "\r\n\r\n\r\n" + last},
		"half":              {push("", "", "{}"), "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", "{}" + last},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(without.talk(pieces), with.talk(pieces)); diff != "" {
				t.Errorf("-net/http +served\n%s", diff)
			}
		})
	}
}

// TestServed: simple requests do not reach net/http, nor does their connection.
func TestServed(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, true, echo)
	c := s.open()
	in := bufio.NewReader(c)
	for range 10 {
		io.WriteString(c, "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}") //nolint:errcheck // the response says so
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body) //nolint:errcheck // the next response says so
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.states) > 0 {
		t.Errorf("net/http saw %v", s.states)
	}
}

// TestClose: a closed http.Server closes the connections that are served here, and a handler
// that is still running does not keep its own.
func TestClose(t *testing.T) {
	t.Parallel()
	serving, release := make(chan struct{}), make(chan struct{})
	s := newTestServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/push/slow" {
			close(serving)
			<-release
		}
	})
	silent, idle, busy := s.open(), s.open(), s.open()
	io.WriteString(idle, emptyPush) //nolint:errcheck // the response says so
	in := bufio.NewReader(idle)
	if _, err := http.ReadResponse(in, nil); err != nil {
		t.Fatal(err)
	}
	io.WriteString(busy, strings.Replace(emptyPush, "/push", "/push/slow", 1)) //nolint:errcheck // it is served
	<-serving
	if err := s.http.Close(); err != nil {
		t.Error(err)
	}
	for name, r := range map[string]io.Reader{"silent": silent, "idle": in, "busy": busy} {
		if b, err := io.ReadAll(r); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	close(release)
	if err := s.pushes.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPanic: a handler that panics loses its connection, and the log has the reason.
func TestPanic(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	pushes := NewServer(Options{
		Serves:      servesPush,
		Handler:     http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault") }),
		HeadTimeout: patience, ErrorLog: log.New(&out, "", 0),
	})
	ours, theirs := net.Pipe()
	l := &pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- theirs
	server, served := new(http.Server), make(chan error)
	go func() { served <- server.Serve(pushes.Listener(l)) }()
	io.WriteString(ours, emptyPush) //nolint:errcheck // the end says so
	checkClosed(t, ours, 0, patience)
	if err := pushes.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	server.Close() //nolint:errcheck // it ends
	<-served
	if got := out.String(); !strings.HasPrefix(got, "http: panic serving pipe: a fault\n") || !strings.Contains(got, "TestPanic") {
		t.Errorf("the log has %q", got)
	}
}

// TestAcceptError: the http.Server gets the errors of the listener, and the connections that
// follow them are served.
func TestAcceptError(t *testing.T) {
	t.Parallel()
	pushes := NewServer(Options{Serves: servesPush, Handler: http.HandlerFunc(echo), HeadTimeout: patience, IdleTimeout: patience})
	failing := &failingListener{pipes: pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})}, err: syscall.EMFILE}
	l := pushes.Listener(failing)
	if c, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("%v, %v", c, err)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	failing.conns <- theirs
	io.WriteString(ours, emptyPush) //nolint:errcheck // the response says so
	if r, err := http.ReadResponse(bufio.NewReader(ours), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("%+v, %v", r, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if c, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, %v", c, err)
	}
}

// failingListener fails once.
type failingListener struct {
	pipes
	err error
}

func (l *failingListener) Accept() (c net.Conn, err error) {
	if err, l.err = l.err, nil; err != nil {
		return nil, err
	}
	return l.pipes.Accept()
}

// TestShutdown: a request that is being served has its response, which says that it is the
// last one; idle connections are closed, and those that never had a request.
func TestShutdown(t *testing.T) {
	t.Parallel()
	serving, release := make(chan struct{}), make(chan struct{})
	s := newTestServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/push/slow" {
			close(serving)
			<-release
		}
		echo(w, r)
	})
	ask := func(path string) (net.Conn, *bufio.Reader) {
		c := s.open()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", path)
		return c, bufio.NewReader(c)
	}
	silent := bufio.NewReader(s.open())
	_, idleIn := ask("/push")
	if r, err := http.ReadResponse(idleIn, nil); err != nil {
		t.Fatal(err)
	} else if _, err := io.ReadAll(r.Body); err != nil {
		t.Fatal(err)
	}
	_, busyIn := ask("/push/slow")
	<-serving
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.pushes.Shutdown(short); !errors.Is(err, context.Canceled) {
		t.Errorf("while a request is served: %v", err)
	}
	if n, err := idleIn.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection: %d, %v", n, err)
	}
	if n, err := silent.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the silent connection: %d, %v", n, err)
	}
	close(release)
	r, err := http.ReadResponse(busyIn, nil)
	if err != nil || r.StatusCode != http.StatusOK || !r.Close {
		t.Fatalf("the response is %+v, %v", r, err)
	}
	if _, err := io.ReadAll(r.Body); err != nil {
		t.Error(err)
	}
	if n, err := busyIn.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last response: %d, %v", n, err)
	}
	if err := s.pushes.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.http.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
