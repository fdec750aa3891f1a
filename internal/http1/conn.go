package http1

import (
	"bytes"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection, at first with a goroutine of its own that serves it.
type conn struct {
	net.Conn
	server *Server
	rest   []byte // what net/http reads first; owned by the reader
	state  atomic.Int32
}

// The states of a connection. Shutdown closes one that is idle: before the first byte, between
// requests, and while it waits for the rest of a body. A busy one serves a request, after which
// its goroutine closes it, or belongs to net/http, or to a handler that has hijacked it here.
// With TLS a connection is idle until net/http has read the head of a request, because here it
// is not known which bytes are of the handshake.
const (
	idle int32 = iota
	busy
	closed
	hijacked
)

// room is the size of the buffer that a request has to fit into: that of net/http.
const room = 4096

var buffers = sync.Pool{New: func() any { return new([room]byte) }}

// run serves requests until there is one that is not simple, and leaves that to net/http.
func (c *conn) run(l *listener) {
	defer c.server.remove(c)
	defer c.recoverPanic()
	buffer := buffers.Get().(*[room]byte)
	defer buffers.Put(buffer)
	c.SetReadDeadline(time.Now().Add(c.server.options.HeadTimeout)) //nolint:errcheck // the read says so
	n, err := c.Conn.Read(buffer[:])
	if err == nil && c.server.simple(buffer[:n]) {
		n = c.serve(buffer[:], n)
	}
	switch {
	case c.state.Load() == hijacked:
	case n > 0 && c.state.CompareAndSwap(idle, busy):
		// net/http sees an error again, and decides how long it waits for the rest.
		c.rest = bytes.Clone(buffer[:n])
		c.SetWriteDeadline(time.Time{}) //nolint:errcheck // the next write says so
		if !l.leave(accepted{conn: c}) {
			c.Conn.Close() //nolint:errcheck // the server is closed
		}
	default:
		c.Conn.Close() //nolint:errcheck // everything was sent, or nothing can be
	}
}

// recoverPanic does what net/http does when a handler panics.
func (c *conn) recoverPanic() {
	p := recover()
	if p == nil {
		return
	}
	if c.state.Load() != hijacked {
		c.Conn.Close() //nolint:errcheck // the client sees it
	}
	if p != http.ErrAbortHandler {
		c.server.options.ErrorLog.Printf("http: panic serving %s: %v\n%s", c.RemoteAddr(), p, debug.Stack())
	}
}

// simple reports whether what has arrived may be served here, so that nothing is prepared for
// other connections.
func (s *Server) simple(p []byte) bool {
	method, target, ok := cutLine(p)
	return ok && s.options.Serves(method, target)
}

// serve serves requests until there is one that is not simple, whose beginning it leaves
// in p, which has n bytes of the first one. It returns how many p has then: with 0 the
// connection is at its end.
func (c *conn) serve(p []byte, n int) int {
	x := newExchange(c)
	for {
		size, ok := x.read(p[:n], len(p))
		if !ok {
			return n
		}
		var err error
		if n, err = c.readBody(x, p, n, size); err != nil {
			return n
		}
		if !c.state.CompareAndSwap(idle, busy) || x.respond(p[:size], p[size:n]) != nil {
			return 0
		}
		c.state.Store(idle)
		if x.last || c.server.closing.Load() {
			return 0
		}
		if n, err = c.readNext(x, p, copy(p, p[size:n])); err != nil {
			return n
		}
	}
}

// readBody reads what is missing of a request of size bytes, of which p has n. It returns how
// many p has then.
func (c *conn) readBody(x *exchange, p []byte, n, size int) (int, error) {
	if n < size {
		x.limitReads(c.server.options.HeadTimeout) // for the whole body, however it arrives
	}
	for n < size {
		m, err := c.Conn.Read(p[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// readNext waits for the next request, of which p may have n bytes already. It returns how many
// p has then.
func (c *conn) readNext(x *exchange, p []byte, n int) (int, error) {
	for n = dropLines(p, n); n == 0; n = dropLines(p, n) {
		x.limitReads(c.server.options.IdleTimeout)
		var err error
		if n, err = c.Conn.Read(p); err != nil {
			return n, err
		}
	}
	return n, nil
}

// dropLines removes the two empty lines that may follow the body of a POST (RFC 9112 §2.2):
// net/http ignores them, but not before the first request of a connection, which the next
// one is for it.
func dropLines(p []byte, n int) int {
	lines := 0
	for lines < min(n, 4) && (p[lines] == '\r' || p[lines] == '\n') {
		lines++
	}
	return copy(p, p[lines:n])
}

// Read implements net.Conn for net/http: first comes what was read here.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// Detach returns the connection below, for whoever has hijacked this one and got what net/http
// has read.
func (c *conn) Detach() net.Conn {
	if len(c.rest) > 0 {
		return c
	}
	return c.Conn
}

// CloseWrite is for net/http, which ends a connection with it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
