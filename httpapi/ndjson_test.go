package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

const asLines = "Content-Type: application/x-ndjson"

// result is a line of the response: the result of a push, or a problem.
type result struct {
	Messages []wirepost.PushResult
	wirepost.Problem
}

func (r result) String() string {
	if r.Status != 0 {
		return fmt.Sprintf("%d %s", r.Status, r.Field)
	}
	var names []string
	for _, p := range r.Messages {
		names = append(names, fmt.Sprintf("%s#%d", p.To, p.Seq))
	}
	return strings.Join(names, " ")
}

func readResults(t *testing.T, body []byte) (list []string) {
	t.Helper()
	for line := range bytes.Lines(body) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, r.String())
	}
	return list
}

func TestLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.MaxMessage = 1 << 10 })
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"nothing", "", nil},
		{"blank lines", "\n \n\r\n\t\n", nil},
		{"no last newline", `{"to":"a1","data":1}`, []string{"a1#1"}},
		{"CRLF", "{\"to\":\"a2\",\"data\":1}\r\n{\"to\":\"a2\",\"data\":2}\r\n", []string{"a2#1", "a2#2"}},
		{
			"bad lines", `{"to":"a3","data":1}
{"to":"a3","data":
{"to":"a3","data":1,"tll":1}

{"to":"bad name","data":1}
null
{"to":"a3","data":2}` + "\n{\"to\":\"a3\",\"data\":\"\xff\"}\n" + `{"to":"a3","data":1}{"to":"a3","data":1}
{"to":"a3","content_type":"nonsense/","data_base64":""}
{"to":"a3","data":3}
`, []string{"a3#1", "400 ", "400 tll", "400 to", "400 ", "a3#2", "400 ", "400 ", "400 content_type", "a3#3"},
		},
		{
			"lists", `{"to":["a4","b4","a4"],"data":1}
{"to":["a4","b 4"],"data":1}
{"to":[],"data":1}
{"to":["b4"],"data":1}
{"to":["a4","b4"],"data":1,"id":"` + strings.Repeat("i", 129) + `"}
{"to":"a4","data":1}
`, []string{"a4#1 b4#1 a4#1", "400 to", "400 to", "b4#2", "400 id", "a4#2"},
		},
		{
			"long lines", `{"to":"a5","data":1}
{"to":"a5","data":"` + strings.Repeat("x", 1<<10) + `"}
{"to":"a5","data":"` + strings.Repeat("x", maxJSON(1<<10)) + `"}
{"to":"a5","data":2}
` + strings.Repeat("x", 2*maxJSON(1<<10)), []string{"a5#1", "413 data", "413 ", "a5#2", "413 "},
		},
		{"memory-only channels between", `{"to":"live:6","data":1}
{"to":"a6","data":1}
{"to":"live:6","data":2}
{"to":"a6","data":2}
`, []string{"live:6", "a6#1", "live:6", "a6#2"}},
	} {
		a := s.do("POST", "/v1/push", tt.body, asLines).is(200)
		got := readResults(t, a.body)
		for i, result := range got {
			if strings.HasPrefix(result, "live:") { // their sequences do not start at 1
				got[i], _, _ = strings.Cut(result, "#")
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s\n%s", tt.name, diff, a.body)
		}
	}
}

// TestLinesKeepTheirOrder pushes lines that fill several batches.
func TestLinesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const n = 20_000
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, `{"to":"room","data":%d,"id":"%d"}`+"\n", i, i)
	}
	a := s.do("POST", "/v1/push", body.String(), asLines).is(200)
	var last uint64
	i := 0
	for line := range bytes.Lines(a.body) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil || len(r.Messages) != 1 {
			t.Fatalf("%q: %v", line, err)
		}
		if p := r.Messages[0]; p.ID != fmt.Sprint(i) || p.Seq <= last {
			t.Fatalf("line %d is %+v, after %d", i, p, last)
		}
		last = r.Messages[0].Seq
		i++
	}
	if i != n {
		t.Errorf("%d results", i)
	}
}

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

// TestLinesWithoutReader: a client sends without end and reads no results. The server
// accepts no more than it can buffer, and closes the connection after a while.
func TestLinesWithoutReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var pushed atomic.Int64
		f := &fake{push: func(ps []wirepost.Push) []wirepost.BatchResult {
			out := make([]wirepost.BatchResult, len(ps))
			for i := range ps {
				out[i].PushResult = wirepost.PushResult{To: ps[i].To, ID: "id", Seq: uint64(pushed.Add(1))}
			}
			return out
		}}
		handler := newHandler(f, Options{Keys: []string{testKey}, Logger: slog.New(slog.DiscardHandler)})
		server, client := net.Pipe()
		hs := &http.Server{Handler: handler}
		served := make(chan error, 1)
		go func() { served <- hs.Serve(&oneConn{conn: server, closed: make(chan struct{})}) }()

		line := `{"to":"room","data":"` + strings.Repeat("x", 200) + `"}` + "\n"
		head := "POST /v1/push HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + testKey +
			"\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
		var sent atomic.Int64
		writing := make(chan error, 1)
		go func() {
			_, err := io.WriteString(client, head)
			for err == nil {
				_, err = fmt.Fprintf(client, "%x\r\n%s\r\n", len(line), line)
				sent.Add(1)
			}
			writing <- err
		}()
		reader := bufio.NewReaderSize(client, 16)
		status, err := reader.ReadString('\n')
		if err != nil || !strings.Contains(status, "200") {
			t.Fatalf("%q %v", status, err)
		}
		for header := ""; header != "\r\n"; {
			if header, err = reader.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		synctest.Wait() // until everything is blocked
		// One batch whose results are being written, one that is being collected, and
		// the line buffers.
		if n := sent.Load(); n > 3*batchPushes {
			t.Errorf("the server accepted %d lines without a result being read", n)
		}
		if n := pushed.Load(); n > 2*batchPushes {
			t.Errorf("the server pushed %d lines without a result being read", n)
		}
		<-writing
		if took := time.Since(begun); took < stallTime || took > 2*stallTime {
			t.Errorf("the server closed the connection after %s", took)
		}
		client.Close()
		hs.Close()
		<-served
		time.Sleep(time.Second) // net/http lingers before it closes
	})
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
