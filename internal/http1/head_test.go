package http1

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testRoom is the size of net/http's buffer.
const testRoom = 4096

func newTestExchange() *exchange {
	one, _ := net.Pipe()
	s := NewServer(Options{Serves: servesPush})
	return newExchange(&conn{Conn: one, server: s})
}

// verdict says what is done with what has arrived.
type verdict int

const (
	other      verdict = iota // it is left to net/http
	incomplete                // the rest of its body will fit into the buffer
	complete
)

// judge reads the beginning of a request.
func (x *exchange) judge(text string) (size int, v verdict) {
	size, ok := x.read([]byte(text), testRoom)
	switch {
	case !ok:
		return size, other
	case size > len(text):
		return size, incomplete
	}
	return size, complete
}

// TestHead: what is served, and what is left to net/http.
func TestHead(t *testing.T) {
	t.Parallel()
	const first = "POST /push HTTP/1.1\r\n"
	for name, tt := range map[string]struct {
		request string
		want    verdict
	}{
		"least":          {first + "Host: a\r\nContent-Length: 0\r\n\r\n", complete},
		"body":           {first + "Host: a:1\r\nContent-Length: 2\r\n\r\n{}", complete},
		"next one":       {first + "Host: [::1]:1\r\nContent-Length: 2\r\n\r\n{}POST", complete},
		"query":          {"POST /push/a%2Fb?id=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", complete},
		"space":          {first + "Host:\ta \r\nX-A:\r\ncontent-length:2\r\n\r\n{}", complete},
		"keep-alive":     {first + "Host: a\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", complete},
		"obs-text":       {first + "Host: a\r\nX-A: \xff\r\nContent-Length: 0\r\n\r\n", complete},
		"part of body":   {first + "Host: a\r\nContent-Length: 2\r\n\r\n{", incomplete},
		"no body":        {first + "Host: a\r\nContent-Length: 2\r\n\r\n", incomplete},
		"long body":      {first + "Host: a\r\nContent-Length: 4096\r\n\r\n", other},
		"huge body":      {first + "Host: a\r\nContent-Length: 99999999999999999999\r\n\r\n", other},
		"part of head":   {first + "Host: a\r\nContent-Length: 2\r\n", other},
		"part of line":   {"POST /push HT", other},
		"nothing":        {"", other},
		"GET":            {"GET /push HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"other path":     {"POST /else HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"other host":     {"POST http://b/push HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"bad escape":     {"POST /push/%zz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"line in target": {"POST /push\r\nX:/b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"HTTP/1.0":       {"POST /push HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"HTTP/1.10":      {"POST /push HTTP/1.10\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"LF only":        {"POST /push HTTP/1.1\nHost: a\nContent-Length: 0\n\n", other},
		"LF in a value":  {first + "Host: a\r\nX: b\nY: c\r\nContent-Length: 0\r\n\r\n", other},
		"CR in a value":  {first + "Host: a\r\nX: b\rY: c\r\nContent-Length: 0\r\n\r\n", other},
		"NUL in a value": {first + "Host: a\r\nX: \x00\r\nContent-Length: 0\r\n\r\n", other},
		"folded":         {first + "Host: a\r\nX: b\r\n c\r\nContent-Length: 0\r\n\r\n", other},
		"no name":        {first + "Host: a\r\n: b\r\nContent-Length: 0\r\n\r\n", other},
		"no colon":       {first + "Host: a\r\nb\r\nContent-Length: 0\r\n\r\n", other},
		"space in name":  {first + "Host: a\r\nX : b\r\nContent-Length: 0\r\n\r\n", other},
		"no host":        {first + "Content-Length: 0\r\n\r\n", other},
		"empty host":     {first + "Host: \r\nContent-Length: 0\r\n\r\n", other},
		"odd host":       {first + "Host: a/b\r\nContent-Length: 0\r\n\r\n", other},
		"two hosts":      {first + "Host: a\r\nHost: a\r\nContent-Length: 0\r\n\r\n", other},
		"no length":      {first + "Host: a\r\n\r\n", other},
		"two lengths":    {first + "Host: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", other},
		"list of length": {first + "Host: a\r\nContent-Length: 2, 2\r\n\r\n{}", other},
		"signed length":  {first + "Host: a\r\nContent-Length: +2\r\n\r\n{}", other},
		"minus":          {first + "Host: a\r\nContent-Length: -2\r\n\r\n{}", other},
		"twice":          {first + "Host: a\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n", other},
		"chunked":        {first + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", other},
		"both lengths":   {first + "Host: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", other},
		"close":          {first + "Host: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", other},
		"expect":         {first + "Host: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", other},
		"upgrade":        {first + "Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n", other},
		"handshake":      {handshake(""), complete},
		"as browsers do": {strings.Replace(handshake(""), "Upgrade: ", "Pragma: no-cache\r\nCache-Control: no-cache\r\nOrigin: http://a\r\nUpgrade: ", 1), complete},
		"as Firefox":     {strings.Replace(handshake(""), "Connection: Upgrade", "Connection: keep-alive, Upgrade", 1), complete},
		"early frame":    {handshake("") + "frame", complete},
		"other version":  {strings.Replace(handshake(""), "13", "8", 1), other},
		"other protocol": {strings.Replace(handshake(""), "websocket", "h2c", 1), other},
		"no upgrade":     {strings.Replace(handshake(""), "Upgrade: websocket\r\n", "", 1), other},
		"no connection":  {strings.Replace(handshake(""), "Connection: Upgrade\r\n", "", 1), other},
		"with a body":    {strings.Replace(handshake(""), "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", 1), other},
		"POST upgrades":  {strings.Replace(strings.Replace(handshake(""), "GET", "POST", 1), "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", 1), other},
		"pragma":         {first + "Host: a\r\nPragma: no-cache\r\nContent-Length: 0\r\n\r\n", other},
		"longest body":   {first + "Host: a\r\nContent-Length: 2147483647\r\n\r\n", other},
		"many lines":     {first + "Host: a\r\nContent-Length: 0\r\n" + headerLines(maxLines-2) + "\r\n", complete},
		"too many lines": {first + "Host: a\r\nContent-Length: 0\r\n" + headerLines(maxLines-1) + "\r\n", other},
		"trailer":        {first + "Host: a\r\nTrailer: X\r\nContent-Length: 0\r\n\r\n", other},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTestExchange()
			size, got := x.judge(tt.request)
			if got != tt.want {
				t.Fatalf("verdict %d, want %d", got, tt.want)
			}
			if got == complete && size != strings.LastIndexAny(tt.request, "\n}")+1 {
				t.Errorf("%d bytes", size)
			}
		})
	}
}

// headerLines are lines of a header, each with another name.
func headerLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "A%d: 1\r\n", i)
	}
	return b.String()
}

// memoryConn is a connection with a client that sends a text and closes its side.
type memoryConn struct {
	net.Conn
	in     io.Reader
	closed chan struct{}
	once   sync.Once
}

func (c *memoryConn) Read(p []byte) (int, error)     { return c.in.Read(p) }
func (*memoryConn) Write(p []byte) (int, error)      { return len(p), nil }
func (*memoryConn) RemoteAddr() net.Addr             { return nil }
func (*memoryConn) LocalAddr() net.Addr              { return nil }
func (*memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (*memoryConn) SetWriteDeadline(time.Time) error { return nil }

func (c *memoryConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// netHTTP returns the first request of a text as an http.Server has it for its handler; nil
// if it refuses it. The server checks more than http.ReadRequest.
func netHTTP(text string) (got *http.Request) {
	l := &pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	c := &memoryConn{in: strings.NewReader(text), closed: make(chan struct{})}
	l.conns <- c
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Connection", "close")
	})}
	var served sync.WaitGroup
	served.Go(func() { s.Serve(l) }) //nolint:errcheck // it ends with Close
	<-c.closed
	s.Close() //nolint:errcheck // it is not used again
	served.Wait()
	return got
}

// FuzzHead: net/http reads what is served in the same way.
func FuzzHead(f *testing.F) {
	f.Add("POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", "POST /push/x%20y?id=1 HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\ncontent-length: 0\r\n\r\n")
	f.Add("POST /push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nX-Y:  z \r\nContent-Length: 1\r\n\r\n1", "POST /push HTTP/1.1\r\nHost: b\r\nX-Y: z\r\nConnection: keep-alive\r\nContent-Length: 01\r\n\r\n2")
	f.Add(handshake(""), handshake("?do=hijack")+"frame")
	f.Fuzz(func(t *testing.T, first, second string) {
		x := newTestExchange()
		for _, text := range []string{first, second, first} {
			size, verdict := x.judge(text)
			if verdict != complete {
				continue
			}
			in := bufio.NewReader(strings.NewReader(text))
			want, err := http.ReadRequest(in)
			if err != nil {
				t.Fatalf("served, and net/http says %v: %q", err, text)
			}
			handled := netHTTP(text)
			if handled == nil {
				t.Fatalf("served, and refused by an http.Server: %q", text)
			}
			body, err := io.ReadAll(want.Body)
			if err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(in) //nolint:errcheck // from memory
			type read struct {
				Method, Target, Host, Body, Rest string
				Header                           http.Header
				URL                              any
			}
			if diff := cmp.Diff(
				read{handled.Method, handled.RequestURI, handled.Host, string(body), string(rest), handled.Header, *handled.URL},
				read{x.method, x.target, x.host, text[size-x.length : size], text[size:], maps.Clone(x.header), x.url},
			); diff != "" {
				t.Fatalf("%q: -net/http +served\n%s", text, diff)
			}
			if handled.Close {
				t.Fatalf("net/http closes after %q", text)
			}
		}
	})
}
