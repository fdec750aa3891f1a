package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/client"
)

// forward passes requests to a node and its responses through change, which may replace
// them.
func (c *nodes) forward(host string, change func(r *http.Request, response *http.Response) *http.Response) dialer {
	transport := transportOver(c.t, c.sites[host].dialer)
	return c.handler(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host, r.RequestURI = "http", host, ""
		response, err := transport.RoundTrip(r)
		if err == nil {
			defer response.Body.Close()
			response = change(r, response)
		}
		if err != nil || response == nil {
			panic(http.ErrAbortHandler)
		}
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body) //nolint:errcheck // the client is gone
	})
}

// lose breaks the connection once the node has done the request.
func lose(_ *http.Request, response *http.Response) *http.Response {
	io.Copy(io.Discard, response.Body) //nolint:errcheck // only its end matters
	return nil
}

// TestPushAtNextNode: a push whose result one node did not deliver is repeated at the next,
// and stored once. The Backend then stays there.
func TestPushAtNextNode(t *testing.T) {
	for name, test := range map[string]struct {
		first  func(c *nodes) dialer
		wait   time.Duration
		stored bool // by the first node
	}{
		"refused":        {func(*nodes) dialer { return refuse }, 0, false},
		"unknown name":   {func(*nodes) dialer { return unresolved }, 0, false},
		"silent":         {func(*nodes) dialer { return silent }, 30 * time.Second, false},
		"503":            {func(c *nodes) dialer { return c.handler(busy("7")) }, 0, false},
		"another server": {func(c *nodes) dialer { return c.handler(answer(200, "text/html", "<h1>it works</h1>")) }, 0, false},
		"404 of a proxy": {func(c *nodes) dialer { return c.handler(fronts["404"]) }, 0, false},
		"broken":         {func(c *nodes) dialer { return c.forward("b", lose) }, 0, true},
		"503 too late": {func(c *nodes) dialer {
			return c.forward("b", func(r *http.Request, response *http.Response) *http.Response {
				lose(r, response)
				w := httptest.NewRecorder()
				busy("1")(w, r)
				return w.Result()
			})
		}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newNodes(t, "b")
				c.set("a", test.first(c))
				b := c.backend([]string{"a", "b"})
				begun := time.Now()
				result, err := b.Push(t.Context(), client.Push{To: "user:42", Data: []byte("1")})
				if err != nil || result.Seq != 1 || result.Duplicate != test.stored {
					t.Errorf("%+v, %v", result, err)
				}
				if waited := time.Since(begun); waited != test.wait {
					t.Errorf("it took %s, want %s", waited, test.wait)
				}
				if _, err := b.PushTo(t.Context(), client.Push{Data: []byte("2")}, "user:42", "user:43"); err != nil {
					t.Error(err)
				}
				if waited := time.Since(begun); waited != test.wait {
					t.Errorf("it took %s with the second push, want %s", waited, test.wait)
				}
				if got := c.sites["b"].list("user:42"); !slices.Equal(got, []string{"1", "2"}) {
					t.Errorf("stored %q", got)
				}
			})
		})
	}
}

// TestPushRefusedByNode: another node would refuse it as well.
func TestPushRefusedByNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "a", "b")
		var n atomic.Int32
		c.set("b", c.forward("b", func(_ *http.Request, r *http.Response) *http.Response { n.Add(1); return r }))
		b := c.backend([]string{"a", "b"})
		if _, err := b.Push(t.Context(), client.Push{To: "not a channel", Data: []byte("1")}); !errors.Is(err, client.ErrBadRequest) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c.kill("a")
		c.set("a", c.handler(limited))
		begun := time.Now()
		if _, err := b.Push(ctx, client.Push{To: "user:42", Data: []byte("1")}); !errors.Is(err, client.ErrRateLimited) || time.Since(begun) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		if n.Load() != 0 {
			t.Errorf("%d requests to the other node", n.Load())
		}
	})
}

// TestSilentNode: calls with deadlines shorter than Timeout leave a silent node, too.
func TestSilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "b")
		c.set("a", silent)
		b := c.backend([]string{"a", "b"})
		var all sync.WaitGroup
		var failed, pushed atomic.Int32
		for i := range 20 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := b.Push(ctx, client.Push{To: "user:42", Data: fmt.Append(nil, i)})
				switch {
				case errors.Is(err, context.DeadlineExceeded):
					failed.Add(1)
				case err == nil:
					pushed.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		begun := time.Now()
		if _, err := b.Push(t.Context(), client.Push{To: "user:42", Data: []byte("100")}); err != nil || time.Since(begun) != 0 {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		list := c.sites["b"].list("user:42")
		slices.Sort(list)
		if failed.Load() == 0 || len(list) <= int(pushed.Load()) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("%d failed, %d pushed, stored %q", failed.Load(), pushed.Load(), list)
		}
	})
}

// TestGroupsOverNodes: calls that share requests get a result each while the nodes fail one
// after the other, and each message is stored once.
func TestGroupsOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const goroutines, each = 32, 20
		c := newNodes(t, "a", "b", "c")
		names := []string{"a", "b", "c"}
		var requests atomic.Int32
		for _, name := range names {
			c.set(name, c.forward(name, func(r *http.Request, response *http.Response) *http.Response {
				if requests.Add(1)%5 == 0 {
					return lose(r, response)
				}
				return response
			}))
		}
		b := c.backend(names)
		var all sync.WaitGroup
		var mu sync.Mutex
		stored := map[uint64]string{}
		for g := range goroutines {
			all.Go(func() {
				for i := range each {
					text := fmt.Sprintf("%d", g*1000+i)
					result, err := b.Push(t.Context(), client.Push{To: "log", Data: []byte(text)})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					stored[result.Seq] = text
					mu.Unlock()
				}
			})
		}
		all.Wait()
		list := c.sites["a"].list("log")
		if len(list) != goroutines*each || len(stored) != len(list) {
			t.Errorf("%d stored, %d results, want %d", len(list), len(stored), goroutines*each)
		}
		for i, text := range list {
			if stored[uint64(i)+1] != text {
				t.Errorf("sequence %d is %s, its push has the result %s", i+1, text, stored[uint64(i)+1])
			}
		}
		if n := requests.Load(); n < 10 {
			t.Errorf("%d requests: nothing failed", n)
		}
	})
}

// TestStreamOverNodes: a stream goes on at the next node, in order.
func TestStreamOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "a", "b")
		b := c.backend([]string{"a", "b"})
		s := b.Stream(t.Context())
		var pending []*client.Pending
		push := func(first, last int) {
			for i := first; i <= last; i++ {
				pd, err := s.Push(t.Context(), client.Push{To: "log", Data: fmt.Append(nil, i)})
				if err != nil {
					t.Fatal(err)
				}
				pending = append(pending, pd)
			}
		}
		push(1, 100)
		if _, err := pending[50].Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.kill("a")
		push(101, 200)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := c.sites["b"].list("log"); !slices.Equal(got, numbers(1, 200)) {
			t.Errorf("stored %s", strings.Join(got, " "))
		}
	})
}

// TestOnceAtNextNode: a request that is not repeated goes to the next node if it was not
// sent, and only then.
func TestOnceAtNextNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "b")
		c.set("a", refuse)
		for name := range sentOnce {
			if err := calls[name](t.Context(), c.backend([]string{"a", "b"})); err != nil && !errors.Is(err, client.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.tried()
		c.set("a", c.forward("b", lose))
		for name := range sentOnce {
			if err := calls[name](t.Context(), c.backend([]string{"a", "b"})); err == nil || errors.Is(err, client.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := hosts(c.tried()); slices.Contains(got, "b") {
			t.Errorf("repeated: %v", got)
		}
		if err := c.backend([]string{"a", "b"}).Ready(t.Context()); err == nil {
			t.Error("Ready at a node that does not answer")
		}
	})
}

// TestNodesOfBackend: mistakes in the list are errors, and backends begin at different
// nodes.
func TestNodesOfBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []client.BackendOptions{{Nodes: []string{"ftp://b"}}, {Nodes: []string{"http://b", ""}}} {
			if b, err := client.NewBackend("http://a", o); err == nil {
				t.Errorf("%v: %v", o.Nodes, b)
			}
		}
		if _, err := client.Dial(t.Context(), "ws://a", client.Options{Nodes: []string{"unix:"}}); err == nil || !strings.Contains(err.Error(), "Options.Nodes") {
			t.Error(err)
		}
		c := newNodes(t, "a", "b", "c")
		for range 60 {
			b := c.backend([]string{"a", "b", "c"}, func(o *client.BackendOptions) { o.InOrder = false })
			if _, err := b.Stats(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		count := map[string]int{}
		for _, name := range hosts(c.tried()) {
			count[name]++
		}
		if count["a"] < 5 || count["b"] < 5 || count["c"] < 5 {
			t.Errorf("60 backends began at %v", count)
		}
	})
}

// TestSilentStream: a stream leaves a node that gives no result for as long as a request may
// take, and does not leave one because there is nothing to send.
func TestSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "b")
		c.set("a", silent)
		s := c.backend([]string{"a", "b"}).Stream(t.Context())
		begun := time.Now()
		for i, waits := range []time.Duration{30 * time.Second, 0, 0} {
			pd, err := s.Push(t.Context(), client.Push{To: "log", Data: fmt.Append(nil, i)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pd.Wait(t.Context()); err != nil || time.Since(begun) != waits {
				t.Errorf("push %d after %s: %v", i, time.Since(begun), err)
			}
			time.Sleep(5 * time.Minute)
			begun = time.Now()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		// The server ends a stream that is idle; another connection may follow then.
		if got := hosts(c.tried()); !slices.Equal(slices.Compact(got), []string{"a", "b"}) {
			t.Errorf("tried %v", got)
		}
	})
}
