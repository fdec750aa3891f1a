package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// nodes are servers with one engine, and a network in which each has a name. What is at a
// name can be replaced.
type nodes struct {
	t     *testing.T
	sites map[string]*site

	mu    sync.Mutex
	hosts map[string]dialer
	conns map[string][]net.Conn
	dials []dialed
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// dialed is one attempt to connect.
type dialed struct {
	host string
	at   time.Time
}

// common is an engine for several servers: the memory engine calls the watchers of all of
// them. It is not comparable, so that each server takes it for its own.
type common struct {
	engine.Engine
	_ [0]func()
}

func newNodes(t *testing.T, names ...string) *nodes {
	t.Helper()
	c := &nodes{t: t, sites: map[string]*site{}, hosts: map[string]dialer{}, conns: map[string][]net.Conn{}}
	e := common{Engine: memory.New(memory.Options{})}
	for _, name := range names {
		s := &site{t: t, engine: e}
		s.start()
		c.sites[name] = s
		c.set(name, s.dialer)
	}
	t.Cleanup(func() {
		for _, s := range c.sites {
			s.stop()
		}
		e.Close()
		time.Sleep(time.Second) // of the bubble, see newSite
	})
	return c
}

func (c *nodes) set(name string, d dialer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[name] = d
}

func (c *nodes) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	d := c.hosts[host]
	c.dials = append(c.dials, dialed{host, time.Now()})
	c.mu.Unlock()
	conn, err := d(ctx, network, address)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.conns[host] = append(c.conns[host], conn)
	}
	return conn, err
}

// kill breaks the connections to a host and refuses others, as when its process is killed.
func (c *nodes) kill(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[host] = refuse
	for _, conn := range c.conns[host] {
		conn.Close()
	}
	delete(c.conns, host)
}

// tried returns the hosts of all attempts to connect, in order, and forgets them.
func (c *nodes) tried() (list []dialed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, c.dials = c.dials, nil
	return list
}

func hosts(list []dialed) (names []string) {
	for _, d := range list {
		names = append(names, d.host)
	}
	return names
}

func (c *nodes) url(scheme, host, path string) string { return scheme + "://" + host + path }

// options are those of a client that begins at the first host and tries them in order.
func (c *nodes) options(path, scheme string, hosts ...string) (first string, others []string) {
	for _, h := range hosts[1:] {
		others = append(others, c.url(scheme, h, path))
	}
	return c.url(scheme, hosts[0], path), others
}

func (c *nodes) connect(hosts []string, change ...func(*client.Options)) (*client.Client, error) {
	first, others := c.options("/ws?user=42", "ws", hosts...)
	o := client.Options{DialContext: c.dial, Nodes: others, InOrder: true}
	for _, f := range change {
		f(&o)
	}
	conn, err := client.Dial(c.t.Context(), first, o)
	if err == nil {
		c.t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

func (c *nodes) backend(hosts []string, change ...func(*client.BackendOptions)) *client.Backend {
	c.t.Helper()
	first, others := c.options("", "http", hosts...)
	o := client.BackendOptions{Key: apiKey, HTTP: &http.Client{Transport: transportOver(c.t, c.dial)}, Nodes: others, InOrder: true}
	for _, f := range change {
		f(&o)
	}
	b, err := client.NewBackend(first, o)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

func refuse(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func unresolved(_ context.Context, _, address string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}}
}

// silent accepts connections, reads what comes and never answers.
func silent(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go io.Copy(io.Discard, there) //nolint:errcheck // until the other end is closed
	return here, nil
}

// handler is a server that responds with a handler.
func (c *nodes) handler(h http.HandlerFunc) dialer {
	l := newPipes()
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(l) }) //nolint:errcheck // returns on Close
	c.t.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	return l.dial
}

// busy refuses as a server does that is shutting down.
func busy(retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		answer(503, "application/problem+json", `{"status":503,"code":"unavailable","detail":"shutting down"}`)(w, r)
	}
}

// limited refuses as a server does when a client has exceeded a limit.
func limited(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "3")
	answer(429, "application/problem+json", `{"status":429,"code":"rate_limited"}`)(w, r)
}

// TestNextNode: a client that does not reach a node goes to the next one, at once if the
// failure is known at once.
func TestNextNode(t *testing.T) {
	for name, test := range map[string]struct {
		first func(c *nodes) dialer
		wait  time.Duration
	}{
		"refused":         {func(*nodes) dialer { return refuse }, 0},
		"unknown name":    {func(*nodes) dialer { return unresolved }, 0},
		"silent":          {func(*nodes) dialer { return silent }, 30 * time.Second},
		"503":             {func(c *nodes) dialer { return c.handler(busy("7")) }, 0},
		"another server":  {func(c *nodes) dialer { return c.handler(fronts["404"]) }, 0},
		"no subprotocol":  {func(c *nodes) dialer { return c.handler(fronts["another subprotocol"]) }, 0},
		"closed at once":  {func(c *nodes) dialer { return c.handler(fronts["close 1008"]) }, 0},
		"gateway timeout": {func(c *nodes) dialer { return c.handler(answer(504, "text/html", "<h1>504</h1>")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newNodes(t, "a", "b")
				c.set("a", test.first(c))
				begun := time.Now()
				conn, err := c.connect([]string{"a", "b"})
				if err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(begun); waited != test.wait {
					t.Errorf("it took %s, want %s", waited, test.wait)
				}
				if got := hosts(c.tried()); !slices.Equal(got, []string{"a", "b"}) {
					t.Errorf("tried %v", got)
				}
				c.sites["b"].push("user:42", "1")
				if got := take(t, conn, 1); got != "1" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// TestStaysRefused: a refusal that every node would repeat ends the client, or has it wait
// for the node that gave it.
func TestStaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "b")
		c.set("a", c.handler(answer(403, "application/problem+json", `{"status":403,"code":"forbidden"}`)))
		if _, err := c.connect([]string{"a", "b"}); !errors.Is(err, client.ErrForbidden) {
			t.Errorf("after 403: %v", err)
		}
		if got := hosts(c.tried()); !slices.Equal(got, []string{"a"}) {
			t.Errorf("after 403: tried %v", got)
		}

		c.set("a", c.handler(limited))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		first, others := c.options("/ws?user=42", "ws", "a", "b")
		if _, err := client.Dial(ctx, first, client.Options{DialContext: c.dial, Nodes: others, InOrder: true}); !errors.Is(err, client.ErrRateLimited) {
			t.Errorf("after 429: %v", err)
		}
		if got := hosts(c.tried()); !slices.Equal(got, []string{"a", "a", "a", "a"}) {
			t.Errorf("after 429: tried %v", got)
		}

		c.set("a", c.handler(fronts["404"]))
		c.set("b", c.handler(fronts["404"]))
		var refused *client.RefusedError
		if _, err := c.connect([]string{"a", "b"}); !errors.As(err, &refused) || refused.Status != 404 {
			t.Errorf("with no Wirepost server at any URL: %v", err)
		}
		if got := hosts(c.tried()); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("with no Wirepost server at any URL: tried %v", got)
		}
	})
}

// TestByeToNextNode: a node that shuts down says when to connect again, which holds for the
// other nodes. The client continues there without a gap, and stays.
func TestByeToNextNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "a", "b")
		var received events
		conn, err := c.connect([]string{"a", "b"}, received.option)
		if err != nil {
			t.Fatal(err)
		}
		c.sites["a"].pushNumbers("user:42", 1, 5)
		if got := take(t, conn, 5); got != "1 2 3 4 5" {
			t.Fatalf("got %s", got)
		}
		left := time.Now()
		c.set("a", refuse)
		if err := c.sites["a"].Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.sites["b"].pushNumbers("user:42", 6, 9)
		if got := take(t, conn, 4); got != "6 7 8 9" {
			t.Errorf("got %s", got)
		}
		d, n := last[client.Disconnected](&received)
		var closed *client.CloseError
		if n != 1 || !errors.As(d.Err, &closed) || closed.Code != 1012 || d.Retry == 0 {
			t.Errorf("%d times disconnected: %+v", n, d)
		}
		list := c.tried()
		if got := hosts(list); !slices.Equal(got, []string{"a", "b"}) || list[1].at.Sub(left) < d.Retry {
			t.Errorf("tried %v, %s after it was closed, want %s", got, list[1].at.Sub(left), d.Retry)
		}
		c.set("a", c.sites["b"].dialer)
		time.Sleep(time.Hour)
		if got := c.tried(); len(got) != 0 {
			t.Errorf("it left a node that works: %v", got)
		}
	})
}

// TestNodeFails: the clients of a node that fails go to all others, and not all at once.
func TestNodeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 64
		c := newNodes(t, "a", "b", "c")
		var all []*client.Client
		for i := range clients {
			conn, err := client.Dial(t.Context(), fmt.Sprintf("ws://a/ws?user=%d", i), client.Options{
				DialContext: c.dial, Nodes: []string{fmt.Sprintf("ws://b/ws?user=%d", i), fmt.Sprintf("ws://c/ws?user=%d", i)},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			all = append(all, conn)
		}
		begun := map[string]int{}
		for _, d := range c.tried() {
			begun[d.host]++
		}
		if begun["a"] < clients/8 || begun["b"] < clients/8 || begun["c"] < clients/8 {
			t.Errorf("%d clients began at %v", clients, begun)
		}
		failed := time.Now()
		c.kill("a")
		time.Sleep(time.Minute)
		moved, times := map[string]int{}, map[time.Duration]bool{}
		for _, d := range c.tried() {
			moved[d.host]++
			after := d.at.Sub(failed)
			times[after.Truncate(10*time.Millisecond)] = true
			if after > time.Second {
				t.Errorf("connected to %s after %s", d.host, after)
			}
		}
		if moved["a"] != 0 || moved["b"]+moved["c"] != begun["a"] || moved["b"] == 0 || moved["c"] == 0 || len(times) < begun["a"]/2 {
			t.Errorf("%d clients went to %v, at %d moments", begun["a"], moved, len(times))
		}
		c.sites["c"].push("all", "still there")
		for _, conn := range all {
			if got := take(t, conn, 1); got != "still there" {
				t.Errorf("got %s", got)
			}
		}
	})
}

// TestAllNodesDown: while no node can be reached each is tried as often as one node alone
// would be. The first that is back is used.
func TestAllNodesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "a", "b", "c")
		conn, err := c.connect([]string{"a", "b", "c"})
		if err != nil {
			t.Fatal(err)
		}
		c.tried()
		for _, name := range []string{"a", "b", "c"} {
			c.kill(name)
		}
		time.Sleep(10 * time.Minute)
		list, count, at := c.tried(), map[string]int{}, map[string]time.Time{}
		if got := hosts(list[:2]); !slices.Equal(got, []string{"b", "c"}) || list[0].at != list[1].at {
			t.Errorf("began with %v", list[:3])
		}
		for _, d := range list {
			count[d.host]++
			if last := at[d.host]; !last.IsZero() && d.at.Sub(last) > 30*time.Second {
				t.Errorf("%s was left alone for %s", d.host, d.at.Sub(last))
			}
			at[d.host] = d.at
		}
		for name, n := range count {
			if n < 25 || n > 90 { // about 10 min / 15 s
				t.Errorf("%s was tried %d times in 10 minutes", name, n)
			}
		}
		c.set("b", c.sites["b"].dialer)
		time.Sleep(30 * time.Second)
		c.sites["c"].push("user:42", "1")
		if got := take(t, conn, 1); got != "1" {
			t.Errorf("got %s", got)
		}
	})
}

// TestRetryAfterOfNodes: each node is left alone for as long as it asks.
func TestRetryAfterOfNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "a")
		begun := time.Now()
		c.set("b", c.handler(busy("5")))
		c.set("c", c.handler(busy("20")))
		c.set("a", c.handler(busy("12")))
		ctx, cancel := context.WithTimeout(t.Context(), 23*time.Second)
		defer cancel()
		first, others := c.options("/ws?user=42", "ws", "a", "b", "c")
		if _, err := client.Dial(ctx, first, client.Options{DialContext: c.dial, Nodes: others, InOrder: true}); !errors.Is(err, client.ErrUnavailable) {
			t.Error(err)
		}
		var got []string
		for _, d := range c.tried() {
			got = append(got, fmt.Sprint(d.host, d.at.Sub(begun).Seconds()))
		}
		if want := []string{"a0", "b0", "c0", "b5", "b10", "a12", "b15", "b20", "c20"}; !slices.Equal(got, want) && !slices.Equal(got, []string{"a0", "b0", "c0", "b5", "b10", "a12", "b15", "c20", "b20"}) {
			t.Errorf("tried %v", got)
		}
	})
}

// TestTokenOfNodes: an error of Options.Token says nothing about a node, whatever its type.
func TestTokenOfNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(t, "a", "b")
		calls := 0
		_, err := c.connect([]string{"a", "b"}, func(o *client.Options) {
			o.Token = func(ctx context.Context) (string, error) {
				if calls++; calls < 4 {
					_, err := (&http.Client{Transport: &http.Transport{DialContext: refuse}}).Get("http://tokens.test/")
					return "", err
				}
				return "t", nil
			}
		})
		if got := hosts(c.tried()); err != nil || !slices.Equal(got, []string{"a"}) {
			t.Errorf("tried %v, %v", got, err)
		}
	})
}

// TestPositionsOfNextNode: the next node learns what was received in each channel, because
// it may not have applied that yet.
func TestPositionsOfNextNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queries := make(chan url.Values, 2)
		f := newFake(t,
			func(_ *testing.T, p *peer) {
				queries <- p.query
				p.send(hello, message("user:42", 1, "1"), message("user:42", 2, "2"), message("news", 8, "8"), message("room", 4, "4"))
				p.Close(websocket.StatusServiceRestart, "") //nolint:errcheck // the next connection shows it
			},
			func(_ *testing.T, p *peer) {
				queries <- p.query
				p.send(hello)
				p.next()
			})
		c, err := f.dial(t, func(o *client.Options) { o.Channels = []string{"news"} })
		if err != nil {
			t.Fatal(err)
		}
		take(t, c, 4)
		first, second := <-queries, <-queries
		if first.Has("min_seq") || second.Get("after") != "news=8" || second.Get("min_seq") != "room=4,user:42=2" {
			t.Errorf("%v, then %v", first, second)
		}
	})
}
