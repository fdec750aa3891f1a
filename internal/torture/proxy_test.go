package torture

import (
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// proxy forwards TCP connections from a fixed address to a server that may change, or to
// any of several.
// While it is wild it cuts connections after a random number of bytes, with a FIN or a
// reset, or leaves them half open for a moment first.
type proxy struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu struct {
		sync.Mutex
		random  *rand.Rand
		targets []string // without any, connections are refused
		wild    bool
		open    map[*link]bool
		cuts    int
		closed  bool
	}
}

// link is one forwarded connection.
type link struct {
	p            *proxy
	target       string
	client, back *net.TCPConn
	over         chan struct{} // closed when both directions are done
	once         sync.Once
	fate         fate

	mu   sync.Mutex
	left int  // bytes until it is cut; below zero: never
	half bool // one direction is done
}

type fate int

const (
	byFIN fate = iota
	byReset
	halfOpen // nothing is forwarded any more, and after a moment it is reset
	fates
)

func newProxy(t testing.TB, seed uint64) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l}
	p.mu.random, p.mu.open = rand.New(rand.NewPCG(seed, 1)), make(map[*link]bool)
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		nc, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.forward(nc.(*net.TCPConn)) })
	}
}

// forward serves one connection.
func (p *proxy) forward(client *net.TCPConn) {
	target := p.pick()
	if target == "" {
		client.Close()
		return
	}
	back, err := net.Dial("tcp", target)
	if err != nil {
		client.Close()
		return
	}
	l := &link{p: p, target: target, client: client, back: back.(*net.TCPConn), over: make(chan struct{}), left: -1}
	if !p.add(l) {
		l.end(true)
		return
	}
	p.wg.Go(func() { l.copy(l.back, l.client) })
	l.copy(l.client, l.back)
	<-l.over
	p.mu.Lock()
	delete(p.mu.open, l)
	p.mu.Unlock()
}

// pick picks a server, "" if there is none.
func (p *proxy) pick() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mu.targets) == 0 {
		return ""
	}
	return p.mu.targets[p.mu.random.IntN(len(p.mu.targets))]
}

// add chooses a link's fate. False means that its server has been removed meanwhile.
func (p *proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.mu.targets, l.target) || p.mu.closed {
		return false
	}
	if p.mu.wild && p.mu.random.IntN(3) > 0 {
		l.left = p.mu.random.IntN(1 << (4 + p.mu.random.IntN(15)))
		l.fate = fate(p.mu.random.IntN(int(fates)))
	}
	p.mu.open[l] = true
	return true
}

// copy forwards one direction until the link is closed.
func (l *link) copy(to, from *net.TCPConn) {
	buf := make([]byte, 8<<10)
	for {
		n, err := from.Read(buf)
		n, cut := l.spend(n)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				l.end(true)
				return
			}
		}
		switch {
		case cut:
			l.cut()
			return
		case err == io.EOF:
			if to.CloseWrite() != nil {
				l.end(false)
			}
			l.halfDone()
			return
		case err != nil:
			l.end(true)
			return
		}
	}
}

// spend subtracts n bytes from the remaining ones, or as many as there are.
func (l *link) spend(n int) (take int, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left < 0 {
		return n, false
	}
	take = min(n, l.left)
	l.left -= take
	return take, l.left == 0
}

func (l *link) cut() {
	l.p.mu.Lock()
	l.p.mu.cuts++
	pause := time.Duration(l.p.mu.random.IntN(300)) * time.Millisecond
	l.p.mu.Unlock()
	if l.fate == halfOpen {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.over:
		}
	}
	l.end(l.fate != byFIN)
}

// halfDone closes the link if the other direction is done as well. A peer that never
// closes its side is given a moment.
func (l *link) halfDone() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.half {
		l.end(false)
		return
	}
	l.half = true
	time.AfterFunc(5*time.Second, func() { l.end(true) })
}

func (l *link) end(reset bool) {
	l.once.Do(func() {
		for _, c := range []*net.TCPConn{l.client, l.back} {
			if reset {
				c.SetLinger(0) //nolint:errcheck // it is closed anyway
			}
			c.Close()
		}
		close(l.over)
	})
}

// turn sends new connections to a server, and closes those to the previous one. When it
// returns, nothing from the previous server is forwarded any more.
func (p *proxy) turn(target string) {
	if target == "" {
		p.aim()
	} else {
		p.aim(target)
	}
	p.cutAll()
}

// aim sends new connections to any of these servers, and leaves the others as they are.
func (p *proxy) aim(targets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.targets = targets
}

// cutAll closes all current connections.
func (p *proxy) cutAll() { p.cut(func(*link) bool { return true }) }

func (p *proxy) cut(which func(*link) bool) {
	p.mu.Lock()
	links := make([]*link, 0, len(p.mu.open))
	for l := range p.mu.open {
		if which(l) {
			links = append(links, l)
		}
	}
	p.mu.Unlock()
	for _, l := range links {
		l.end(true)
	}
}

// wild sets whether connections are cut from now on.
func (p *proxy) wild(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.wild = is
	for l := range p.mu.open {
		if !is {
			l.mu.Lock()
			l.left = -1
			l.mu.Unlock()
		}
	}
}

func (p *proxy) cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.cuts
}

func (p *proxy) close() {
	p.mu.Lock()
	p.mu.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.cutAll()
	p.wg.Wait()
}
