package httpapi

import (
	"bytes"
	"context"
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

	"github.com/wirepost/wirepost"
)

// counting is a backend that accepts all pushes and counts refusals.
type counting struct {
	*fake
	mu       sync.Mutex
	pushed   int
	refusals map[string]int
}

func newCounting() *counting {
	c := &counting{fake: &fake{}, refusals: map[string]int{}}
	c.push = func(ps []wirepost.Push) []wirepost.BatchResult {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pushed += len(ps)
		return make([]wirepost.BatchResult, len(ps))
	}
	return c
}

func (c *counting) PushAll(_ context.Context, ps []wirepost.Push) ([]wirepost.PushResult, error) {
	c.push(ps)
	return make([]wirepost.PushResult, len(ps)), nil
}

func (c *counting) CountRefusal(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[reason]++
}

func (c *counting) check(t *testing.T, when string, pushed, rate, overload int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pushed != pushed || c.refusals[refusedPace] != rate || c.refusals[refusedMemory] != overload {
		t.Errorf("%s: %d pushed, refused %v; want %d, %d for the rate, %d for overload", when, c.pushed, c.refusals, pushed, rate, overload)
	}
}

func quiet(o Options) Options {
	o.Logger = slog.New(slog.DiscardHandler)
	if o.Keys == nil && !o.Dev {
		o.Keys = []string{testKey}
	}
	return o
}

// serveOne calls a handler with a push, without a network.
func serveOne(h http.Handler, key, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "http://localhost/v1/push", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key)
	h.ServeHTTP(w, r)
	return w
}

func TestPushRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting()
		h := newHandler(c, quiet(Options{Keys: []string{"push:one", "two"}, PushRate: 10}))
		one, list := `{"to":"a","data":1}`, `{"to":["a1","a2","a3","a4","a5","a6","a7","a8","a9","b1","b2","b3","b4","b5","b6","b7","b8","b9","c1","c2"],"data":1}`
		send := func(key, body string, want int, retry string) {
			t.Helper()
			if w := serveOne(h, key, body); w.Code != want || w.Header().Get("Retry-After") != retry {
				t.Errorf("%d with Retry-After %q, want %d and %q: %s", w.Code, w.Header().Get("Retry-After"), want, retry, w.Body)
			}
		}
		for range 10 {
			send("one", one, 202, "")
		}
		send("one", one, 429, "1")
		c.check(t, "a second's worth", 10, 1, 0)
		send("two", one, 202, "") // another key has its own
		time.Sleep(100 * time.Millisecond)
		send("one", one, 202, "")
		send("one", one, 429, "1")

		time.Sleep(time.Minute) // at most one second's rate accumulates
		send("one", list, 202, "")
		send("one", one, 429, "2") // 10 in debt, and one more is needed
		time.Sleep(time.Second)
		send("one", one, 429, "1")
		time.Sleep(time.Second)
		send("one", one, 202, "")
		c.check(t, "in the end", 10+1+1+20+1, 4, 0)
	})
}

// TestPushRateOfStreams: a stream over the rate is slowed down, and its lines are not
// refused.
func TestPushRateOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting()
		a := newHandler(c, quiet(Options{Dev: true, PushRate: 10}))
		line := `{"to":["a","b"],"data":1}` + "\n"
		start := time.Now()
		r := httptest.NewRequest("POST", "http://localhost/v1/push", strings.NewReader(strings.Repeat(line, 25)))
		r.Header.Set("Content-Type", ndjsonType)
		w := &duplex{header: http.Header{}}
		a.ServeHTTP(w, r)
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("50 messages at 10 per second with a burst of 10 took %s", took)
		}
		c.check(t, "the stream", 50, 0, 0)
		if n := strings.Count(w.String(), `"messages"`); n != 25 {
			t.Errorf("%d results: %s", n, w.String())
		}
	})
}

// TestOverload fills the memory for pushes with some that wait for the store. Further ones
// are refused before their bodies are read; those in flight succeed.
func TestOverload(t *testing.T) {
	t.Parallel()
	c := newCounting()
	begun, proceed := make(chan bool), make(chan bool)
	push := c.push
	c.push = func(ps []wirepost.Push) []wirepost.BatchResult {
		begun <- true
		<-proceed
		return push(ps)
	}
	const one = `{"to":"a","data":1}`
	h := newHandler(c, quiet(Options{PushMemory: 3 * estimate(int64(len(one)), 1<<20)}))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if w := serveOne(h, testKey, one); w.Code != 202 {
				t.Errorf("a push that was accepted: %d %s", w.Code, w.Body)
			}
		})
		<-begun
	}
	unread := httptest.NewRequest("POST", "/v1/push/a", failingReader{t})
	unread.Header.Set("Authorization", "Bearer "+testKey)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, unread)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("one too many: %d %v %s", w.Code, w.Header(), w.Body)
	}
	stream := httptest.NewRequest("POST", "/v1/push", failingReader{t})
	stream.Header.Set("Authorization", "Bearer "+testKey)
	stream.Header.Set("Content-Type", ndjsonType)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, stream)
	if w.Code != 503 {
		t.Errorf("a stream too many: %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	look := httptest.NewRequest("GET", "/v1/openapi.json", nil)
	look.Header.Set("Authorization", "Bearer "+testKey)
	if h.ServeHTTP(w, look); w.Code != 200 {
		t.Errorf("a request that is not a push: %d", w.Code)
	}
	close(proceed)
	all.Wait()
	c.check(t, "then", 3, 0, 2)
	go func() { <-begun }()
	if w := serveOne(h, testKey, one); w.Code != 202 {
		t.Errorf("after the overload: %d %s", w.Code, w.Body)
	}
	if used := h.(*api).memory.used.Load(); used != 0 {
		t.Errorf("%d bytes are still reserved", used)
	}
	// A single push is always allowed, or none could ever succeed.
	go func() { <-begun }()
	if w := serveOne(newHandler(c, quiet(Options{PushMemory: 1})), testKey, one); w.Code != 202 {
		t.Errorf("without any memory: %d %s", w.Code, w.Body)
	}
}

// TestStreamMemory: the lines of a stream that exceeds the memory are pushed one by one,
// and only a line that needs a larger buffer is refused. In the end no memory is reserved.
func TestStreamMemory(t *testing.T) {
	t.Parallel()
	const small = `{"to":"a","data":1}` + "\n"
	long := `{"to":"b","data":"` + strings.Repeat("x", lineBuffer-100) + `"}` + "\n"
	for _, tt := range []struct {
		name   string
		memory int64
		least  int // minimum number of refused lines
		most   int // maximum; a long line may happen to fit
	}{
		{"enough", 64 << 20, 0, 0},
		{"too little", streamSize + 1, 15, 20},
	} {
		c := newCounting()
		h := newHandler(c, quiet(Options{PushMemory: tt.memory}))
		r := httptest.NewRequest("POST", "/v1/push", strings.NewReader(strings.Repeat(strings.Repeat(small, 100)+long, 20)))
		r.Header.Set("Content-Type", ndjsonType)
		r.Header.Set("Authorization", "Bearer "+testKey)
		w := &duplex{header: http.Header{}}
		h.ServeHTTP(w, r)
		refused := strings.Count(w.String(), `"status":503`)
		c.check(t, tt.name, 2020-refused, 0, refused)
		if refused < tt.least || refused > tt.most {
			t.Errorf("%s: %d lines refused, want %d to %d", tt.name, refused, tt.least, tt.most)
		}
		if n := strings.Count(w.String(), "\n"); n != 2020 {
			t.Errorf("%s: %d results", tt.name, n)
		}
		if used := h.(*api).memory.used.Load(); used != 0 {
			t.Errorf("%s: %d bytes are still reserved", tt.name, used)
		}
	}
}

type failingReader struct{ t *testing.T }

func (f failingReader) Read([]byte) (int, error) {
	f.t.Error("the body of a refused push was read")
	return 0, io.EOF
}

// pipes is a listener of in-memory connections, which work with the test's clock.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	end   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.end) })
	return nil
}
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// trickle opens a connection to a handler, sends a head and then what send writes. It
// returns the statuses of the responses, and the time until the server closed the
// connection.
func trickle(t *testing.T, h http.Handler, head string, send func(net.Conn)) (response string, took time.Duration) {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), end: make(chan struct{})}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	var all sync.WaitGroup
	all.Go(func() { server.Serve(l) }) //nolint:errcheck // returns when its listener closes
	near, far := net.Pipe()
	l.conns <- far
	start := time.Now()
	all.Go(func() {
		method, fields, _ := strings.Cut(head, "\r\n")
		fmt.Fprintf(near, "%s\r\nHost: localhost\r\n%s", method, fields)
		if !strings.HasSuffix(head, ":") {
			io.WriteString(near, "\r\n\r\n")
		}
		send(near)
	})
	text, _ := io.ReadAll(near)
	took = time.Since(start)
	near.Close()
	server.Close()
	all.Wait()
	return string(text), took
}

// byteEvery sends n bytes, one at a time.
func byteEvery(pause time.Duration, n int) func(net.Conn) {
	return func(c net.Conn) {
		for range n {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// TestSlowBodies sends bodies slowly, with and without a key: none of them keeps a
// connection open for long, and a slow one that makes progress succeeds.
func TestSlowBodies(t *testing.T) {
	const post = "POST /v1/push/a HTTP/1.1\r\nContent-Length: 10000"
	keyed := "\r\nAuthorization: Bearer " + testKey
	for _, tt := range []struct {
		name, head string
		send       func(net.Conn)
		want       string // in the response
		most       time.Duration
	}{
		{"with a key", post + keyed, byteEvery(time.Second, 10000), "408 Request Timeout", 32 * time.Second},
		{"with a key, nothing at all", post + keyed, byteEvery(0, 0), "408 Request Timeout", 31 * time.Second},
		{"without a key", post, byteEvery(time.Second, 10000), "401 Unauthorized", 7 * time.Second},
		{"without a key, in chunks", "POST /v1/push/a HTTP/1.1\r\nTransfer-Encoding: chunked", byteEvery(time.Second, 10000), "4", 7 * time.Second},
		{"no such route", "POST /x HTTP/1.1\r\nContent-Length: 10000", byteEvery(time.Second, 10000), "404 Not Found", 7 * time.Second},
		{"where no body belongs", "GET /healthz HTTP/1.1\r\nContent-Length: 10000", byteEvery(time.Second, 10000), "200 OK", 32 * time.Second},
		{"a head that trickles", "POST /v1/push/a HTTP/1.1\r\nX:", byteEvery(time.Second, 10000), "", 12 * time.Second},
		{"too long by half", "POST /v1/push/a HTTP/1.1\r\nContent-Length: 70000" + keyed, byteEvery(time.Second, 10000), "413 Request Entity Too Large", 8 * time.Second},
		{"slow but steady", "POST /v1/push HTTP/1.1\r\nConnection: close\r\nContent-Length: 700000" + keyed, func(c net.Conn) {
			for range 70 {
				c.Write([]byte(strings.Repeat(" ", 10_000))) //nolint:errcheck // the test checks the responses
				time.Sleep(600 * time.Millisecond)
			}
		}, "400 Bad Request", 43 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(newCounting(), quiet(Options{}))
				response, took := trickle(t, h, tt.head, tt.send)
				// The rest of a body must never be parsed as a request.
				if !strings.Contains(response, tt.want) || took > tt.most || strings.Count(response, "HTTP/1.1") > 1 {
					t.Errorf("after %s: %q; want %s in %s", took, response, tt.want, tt.most)
				}
			})
		})
	}
}

// TestSlowBodiesElsewhere sends such bodies to handlers that do not read them.
func TestSlowBodiesElsewhere(t *testing.T) {
	none := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	refuse := func(w http.ResponseWriter, _ *http.Request, err error) { wirepost.WriteError(w, err) }
	for _, tt := range []struct {
		name, head string
		h          http.Handler
		want       string
		most       time.Duration
	}{
		{"another handler", "POST /x HTTP/1.1\r\nContent-Length: 10000", SlowBodies(none), "204 No Content", 32 * time.Second},
		{"refused in development mode", "POST /x HTTP/1.1\r\nOrigin: http://elsewhere.example\r\nContent-Length: 10000", LocalOnly(none, refuse), "403 Forbidden", 7 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				response, took := trickle(t, tt.h, tt.head, byteEvery(time.Second, 10000))
				if !strings.Contains(response, tt.want) || took > tt.most || strings.Count(response, "HTTP/1.1") > 1 {
					t.Errorf("after %s: %q; want %s in %s", took, response, tt.want, tt.most)
				}
			})
		})
	}
}

// TestStreamDeadlines: a stream stays open as long as lines arrive, however rarely, and is
// closed if nothing or only an incomplete line arrives.
func TestStreamDeadlines(t *testing.T) {
	const head = "POST /v1/push HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer " + testKey
	chunk := func(c net.Conn, text string) bool {
		_, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(text), text)
		return err == nil
	}
	const line = `{"to":"a","data":1}` + "\n"
	for _, tt := range []struct {
		name        string
		send        func(net.Conn)
		pushed      int
		least, most time.Duration
	}{
		{"a line every four minutes", func(c net.Conn) {
			for range 20 {
				chunk(c, line)
				time.Sleep(4 * time.Minute)
			}
			io.WriteString(c, "0\r\n\r\n")
		}, 20, 80 * time.Minute, 83 * time.Minute},
		{"lines cut in the middle, all the time", func(c net.Conn) {
			rest := ""
			for range 600 {
				chunk(c, rest+line+line[:10])
				rest = line[10:]
				time.Sleep(time.Second)
			}
			chunk(c, rest)
			io.WriteString(c, "0\r\n\r\n")
		}, 1200, 10 * time.Minute, 13 * time.Minute},
		{"no line", func(net.Conn) {}, 0, idleStream, idleStream + 5*time.Second},
		{"one line, then none", func(c net.Conn) { chunk(c, line) }, 1, idleStream, idleStream + 5*time.Second},
		{"a line that trickles", func(c net.Conn) {
			for chunk(c, "x") {
				time.Sleep(time.Second)
			}
		}, 0, 30 * time.Second, 35 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCounting()
				response, took := trickle(t, newHandler(c, quiet(Options{})), head, tt.send)
				c.check(t, "the stream", tt.pushed, 0, 0)
				if took < tt.least || took > tt.most || !strings.HasSuffix(response, "\r\n0\r\n\r\n") || strings.Count(response, "HTTP/1.1") > 1 {
					t.Errorf("after %s: %q…", took, response[max(0, len(response)-100):])
				}
			})
		})
	}
}

// TestSlowReaders reads a long response slowly or not at all: the server closes the
// connection only if the client has stopped reading.
func TestSlowReaders(t *testing.T) {
	page := make([]wirepost.Message, 100)
	for i := range page {
		page[i] = wirepost.Message{Channel: "a", Seq: uint64(i + 1), ContentType: "text/plain", Data: bytes.Repeat([]byte("x"), 10_000)}
	}
	for _, tt := range []struct {
		name        string
		pause       time.Duration // between reads of 10 kB
		least, most time.Duration
		whole       bool
	}{
		{"nothing", time.Hour, stallTime, stallTime + time.Second, false},
		{"slowly", 10 * time.Second, 900 * time.Second, 1100 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				c := &noticing{Conn: far, closed: make(chan struct{})}
				server := &http.Server{Handler: newHandler(&lister{newCounting(), page}, quiet(Options{}))}
				l := &pipes{conns: make(chan net.Conn), end: make(chan struct{})}
				var all sync.WaitGroup
				all.Go(func() { server.Serve(l) }) //nolint:errcheck // returns when its listener closes
				l.conns <- c
				start := time.Now()
				fmt.Fprintf(near, "GET /v1/channels/a/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", testKey)
				read, done := 0, make(chan struct{})
				go func() {
					defer close(done)
					for buf := make([]byte, 10_000); ; {
						n, err := io.ReadFull(near, buf)
						if read += n; err != nil {
							return
						}
						select {
						case <-time.After(tt.pause):
						case <-c.closed:
						}
					}
				}()
				<-c.closed
				took := time.Since(start)
				<-done
				if took < tt.least || took > tt.most || tt.whole != (read > 1_000_000) {
					t.Errorf("the server closed the connection after %s and %d bytes", took, read)
				}
				near.Close()
				server.Close()
				all.Wait()
				time.Sleep(time.Second) // net/http lingers
			})
		})
	}
}

// lister is a backend with a page of messages.
type lister struct {
	*counting
	page []wirepost.Message
}

func (l *lister) Messages(context.Context, string, uint64, int) ([]wirepost.Message, uint64, error) {
	return l.page, uint64(len(l.page)), nil
}

// noticing is a connection that records when the server closes it.
type noticing struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func (c *noticing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestHostileJSON sends short bodies that could be expensive to parse: refusing one must
// cost no more than its length justifies.
func TestHostileJSON(t *testing.T) {
	h := newHandler(newCounting(), quiet(Options{}))
	size := maxJSON(1<<16) - 64
	for name, body := range map[string]string{
		"nested lists":      `{"to":"a","data":` + strings.Repeat("[", size),
		"nested objects":    `{"to":"a","data":` + strings.Repeat(`{"":`, size/4),
		"nested targets":    `{"to":` + strings.Repeat("[", size),
		"many targets":      `{"to":[` + strings.Repeat(`"",`, size/3) + `""]}`,
		"many small fields": `{` + strings.Repeat(`"a":0,`, size/6) + `"b":0}`,
		"one field again":   `{` + strings.Repeat(`"to":0,`, size/7) + `"to":0}`,
		"a long number":     `{"to":"a","ttl":` + strings.Repeat("9", size) + `}`,
		"a long exponent":   `{"to":"a","ttl":1e` + strings.Repeat("9", size) + `}`,
		"escapes":           `{"to":"` + strings.Repeat(`\u0041`, size/6) + `"}`,
		"white space":       strings.Repeat(" ", size),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		response := serveOne(h, testKey, body)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if response.Code != 400 {
			t.Errorf("%s: %d %.200s", name, response.Code, response.Body)
		}
		each := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(body))
		t.Logf("%s: %d bytes, %s, %.1f bytes allocated per byte", name, len(body), took, each)
		if each > 16 {
			t.Errorf("%s: %.0f bytes are allocated per byte of the body", name, each)
		}
	}
}
