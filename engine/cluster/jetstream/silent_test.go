package jetstream_test

import (
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/jetstream"
)

// hole is a proxy whose connections can be made to swallow what is sent, as a network does
// that drops packets. Those that are made later work.
type hole struct {
	net.Listener
	target  string
	running sync.WaitGroup

	mu    sync.Mutex
	conns []*swallowing
}

type swallowing struct {
	net.Conn
	silent atomic.Bool
}

func (c *swallowing) Write(p []byte) (int, error) {
	if c.silent.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func newHole(t *testing.T, target string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{Listener: l, target: target}
	h.running.Go(h.accept)
	t.Cleanup(func() {
		l.Close()
		for _, c := range h.all() {
			c.Close()
		}
		h.running.Wait()
	})
	return h
}

func (h *hole) accept() {
	for {
		from, err := h.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", h.target)
		if err != nil {
			from.Close()
			continue
		}
		a, b := &swallowing{Conn: from}, &swallowing{Conn: to}
		h.mu.Lock()
		h.conns = append(h.conns, a, b)
		h.mu.Unlock()
		h.running.Go(func() { h.forward(a, b) })
		h.running.Go(func() { h.forward(b, a) })
	}
}

func (h *hole) forward(to, from *swallowing) {
	defer to.Close()
	defer from.Close()
	io.Copy(to, from.Conn) //nolint:errcheck // it was closed
}

func (h *hole) all() []*swallowing {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.conns)
}

// TestSilentRoute: a route on which nothing arrives any more is replaced by another one.
func TestSilentRoute(t *testing.T) {
	t.Parallel()
	c, err := newTrio(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.closeAll)
	way := newHole(t, c.routes[1].Host)
	through := &url.URL{Scheme: "nats-route", Host: way.Addr().String()}
	for i, peers := range [][]*url.URL{{c.routes[0], through}, {c.routes[1]}} {
		o := c.options(i)
		o.Peers = peers
		if c.servers[i], err = jetstream.StartServer(o); err != nil {
			t.Fatal(err)
		}
	}
	a, b := c.connect(t, 0), c.connect(t, 1)
	got, err := b.SubscribeSync("x")
	if err != nil {
		t.Fatal(err)
	}
	arrives := func() {
		t.Helper()
		for give := time.Now().Add(time.Minute); time.Now().Before(give); {
			if err := a.Publish("x", nil); err != nil {
				t.Fatal(err)
			}
			if _, err := got.NextMsg(100 * time.Millisecond); err == nil {
				return
			}
		}
		t.Fatal("nothing arrives")
	}
	arrives()
	for _, conn := range way.all() {
		conn.silent.Store(true)
	}
	arrives()
}
