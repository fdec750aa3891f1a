package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// stream is a bulk push whose lines are sent one by one.
type stream struct {
	t      *testing.T
	lines  *io.PipeWriter
	cancel context.CancelFunc
	resp   *http.Response
	reader *bufio.Reader
}

func openStream(t *testing.T, s *site, headers ...string) *stream {
	t.Helper()
	out, in := io.Pipe()
	r := s.request("POST", "/v1/push", out, append(headers, asLines)...)
	ctx, cancel := context.WithCancel(r.Context())
	resp, err := s.client.Do(r.WithContext(ctx))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		in.Close()
		resp.Body.Close()
	})
	return &stream{t: t, lines: in, cancel: cancel, resp: resp, reader: bufio.NewReader(resp.Body)}
}

func (st *stream) send(line string) {
	st.t.Helper()
	if _, err := io.WriteString(st.lines, line); err != nil {
		st.t.Fatal(err)
	}
}

func (st *stream) receive() string {
	st.t.Helper()
	line, err := st.reader.ReadBytes('\n')
	if err != nil {
		st.t.Fatalf("%q: %v", line, err)
	}
	return readResults(st.t, line)[0]
}

// TestLinesBothWays waits for the result of each line before it sends the next; a client
// may pause for any time in between.
func TestLinesBothWays(t *testing.T) {
	t.Parallel()
	t.Run("HTTP1", func(t *testing.T) { testLinesBothWays(t, newSite(t)) })
	t.Run("HTTP2", func(t *testing.T) {
		srv := newServer(t)
		hs := httptest.NewUnstartedServer(New(srv, Options{Keys: []string{testKey}}))
		hs.EnableHTTP2 = true
		hs.StartTLS()
		s := serveOn(t, hs)
		if got := s.do("GET", "/healthz", ""); got.proto != 2 {
			t.Fatalf("the protocol is HTTP/%d", got.proto)
		}
		testLinesBothWays(t, s)
	})
	t.Run("Router", func(t *testing.T) {
		srv := newServer(t)
		api := New(srv, Options{Keys: []string{testKey}})
		s := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			api.ServeHTTP(&routerWriter{ResponseWriter: w}, r)
		}), nil)
		testLinesBothWays(t, s)
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /v1/push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n"+
			"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", testKey, ndjsonType)
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Errorf("the first line is %q, %v", line, err)
		}
	})
}

// routerWriter treats every status as the final one, and sends it with the first bytes, as
// the ResponseWriters of some routers do.
type routerWriter struct {
	http.ResponseWriter
	status int
}

func (w *routerWriter) WriteHeader(status int) { w.status = status }

func (w *routerWriter) Write(p []byte) (int, error) {
	w.writeStatus()
	return w.ResponseWriter.Write(p)
}

func (w *routerWriter) Flush() {
	w.writeStatus()
	w.ResponseWriter.(http.Flusher).Flush()
}

func (w *routerWriter) writeStatus() {
	if w.status != 0 {
		w.ResponseWriter.WriteHeader(w.status)
		w.status = 0
	}
}

func (w *routerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func testLinesBothWays(t *testing.T, s *site) {
	for _, headers := range [][]string{nil, {"Expect: 100-continue"}} {
		st := openStream(t, s, headers...)
		if st.resp.StatusCode != 200 || st.resp.Header.Get("Content-Type") != ndjsonType {
			t.Fatalf("%d %v", st.resp.StatusCode, st.resp.Header)
		}
		for i := range 5 {
			to := fmt.Sprintf("room%d-%d", i, len(headers))
			st.send(`{"to":"` + to + `","data":1}` + "\n")
			if got := st.receive(); got != to+"#1" {
				t.Errorf("got %s for %s", got, to)
			}
			st.send("nonsense\n")
			if got := st.receive(); got != "400 " {
				t.Errorf("got %s for an invalid line", got)
			}
		}
		st.send(`{"to":"last`)
		st.send(fmt.Sprintf(`%d","data":1}`, len(headers)))
		st.lines.Close()
		if got := st.receive(); got != fmt.Sprintf("last%d#1", len(headers)) {
			t.Errorf("got %s for the last line", got)
		}
		if _, err := st.reader.ReadByte(); err != io.EOF {
			t.Errorf("the response does not end: %v", err)
		}
	}
	s.push(`{"to":"room","data":1}`).is(202) // the connection can be reused
}

// TestLinesCancelled aborts in the middle of a line: the lines before it are pushed, it is
// not.
func TestLinesCancelled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	st := openStream(t, s)
	st.send(`{"to":"room","data":1}` + "\n")
	st.receive()
	st.send(`{"to":"room","data":2}`)
	st.cancel()
	if _, err := st.reader.ReadByte(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s.hs.Close() // waits for the stream's handler
	if list, _, err := s.Messages(t.Context(), "room", 0, 0); err != nil || len(list) != 1 {
		t.Errorf("%+v %v", list, err)
	}
}

// TestLinesDrained: a shutdown ends a stream.
func TestLinesDrained(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	draining := make(chan struct{})
	s := serveHandler(t, New(srv, Options{Keys: []string{testKey}, Draining: draining}), nil)
	st := openStream(t, s)
	st.send(`{"to":"room","data":1}` + "\n")
	if got := st.receive(); got != "room#1" {
		t.Error(got)
	}
	close(draining)
	if rest, err := io.ReadAll(st.reader); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
	again := s.do("POST", "/v1/push", `{"to":"room","data":2}`, asLines).is(200)
	if got := readResults(t, again.body); len(got) > 1 || len(got) == 1 && got[0] != "room#2" {
		t.Errorf("%s", got)
	}
}
