package torture

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// wire is the way by which one node connects to another one, or to a server of the log: a
// proxy that can be interrupted in one direction or both. What is sent meanwhile arrives
// later.
type wire struct {
	listener net.Listener
	target   string
	there    gate // towards the target
	back     gate
	refuses  atomic.Bool
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newWire(t testing.TB, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: target, conns: make(map[net.Conn]bool)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.running.Go(w.accept)
	t.Cleanup(func() {
		w.cancel()
		l.Close()
		w.closeAll()
		w.running.Wait()
	})
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

// cut closes the connections and refuses others.
func (w *wire) cut() {
	w.refuses.Store(true)
	w.closeAll()
}

// heal makes everything work again.
func (w *wire) heal() {
	w.refuses.Store(false)
	w.there.reopen()
	w.back.reopen()
}

func (w *wire) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
}

func (w *wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.running.Go(func() { w.forward(c) })
	}
}

func (w *wire) forward(c net.Conn) {
	defer c.Close()
	if w.refuses.Load() {
		return
	}
	if w.there.pass(w.ctx) != nil {
		return
	}
	other, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer other.Close()
	w.mu.Lock()
	w.conns[c], w.conns[other] = true, true
	w.mu.Unlock()
	if w.refuses.Load() || w.ctx.Err() != nil {
		c.Close()
	}
	w.running.Go(func() { w.copy(c, other, &w.back) })
	w.copy(other, c, &w.there)
	w.mu.Lock()
	delete(w.conns, c)
	delete(w.conns, other)
	w.mu.Unlock()
}

// copy forwards one direction. When it ends, so does the other one.
func (w *wire) copy(to, from net.Conn, g *gate) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if g.pass(w.ctx) != nil {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
