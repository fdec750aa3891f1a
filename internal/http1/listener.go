package http1

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

type listener struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	ours := &conn{Conn: c, server: l.server}
	if !l.server.add(ours) {
		c.Close() //nolint:errcheck // its Read fails
	}
	return ours, nil
}

// conn is a connection of the http.Server.
type conn struct {
	net.Conn
	server *Server
	left   bool // to net/http; owned by the reader
	state  atomic.Int32
}

// The states of a connection. Shutdown closes one that is idle: before the first byte, between
// requests, and while it waits for the rest of a body. A busy one serves a request, after which
// its reader closes it, or belongs to net/http, or to a handler that has hijacked it here.
// With TLS a connection is idle until net/http has read the head of a request, because here it
// is not known which bytes are of the handshake.
const (
	idle int32 = iota
	busy
	closed
	hijacked
)

// Detach returns the connection below, for whoever has hijacked this one.
func (c *conn) Detach() net.Conn { return c.Conn }

// Close implements net.Conn for net/http, which does not know that a connection was hijacked
// here.
func (c *conn) Close() error {
	if c.state.Load() == hijacked {
		return nil
	}
	return c.Conn.Close()
}

// CloseWrite is for net/http, which ends a connection with it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Read implements net.Conn for net/http: it returns when there is something for it.
func (c *conn) Read(p []byte) (int, error) {
	if c.left || c.server.options.TLS {
		return c.Conn.Read(p)
	}
	defer c.server.remove(c)
	n, err := c.Conn.Read(p)
	if err == nil && c.server.simple(p[:n]) {
		return c.serve(p, n)
	}
	if !c.handOver() {
		return 0, net.ErrClosed
	}
	return n, err
}

// ConnState is for http.Server.ConnState if there is TLS above the connections: it
// leaves one to net/http that has a request, and forgets one that is closed.
func (s *Server) ConnState(nc net.Conn, state http.ConnState) {
	encrypted, ok := nc.(*tls.Conn)
	if !ok || state == http.StateNew {
		return
	}
	if c, ok := encrypted.NetConn().(*conn); ok && (c.state.CompareAndSwap(idle, busy) || state == http.StateClosed) {
		s.remove(c)
	}
}

// simple reports whether what has arrived may be served here, so that nothing is prepared for
// other connections.
func (s *Server) simple(p []byte) bool {
	method, target, ok := cutLine(p)
	return ok && s.options.Serves(method, target)
}

// serve serves requests until there is one that is not simple, whose beginning it leaves
// in p, which has n bytes of the first one.
func (c *conn) serve(p []byte, n int) (int, error) {
	x := newExchange(c)
	for {
		size, ok := x.read(p[:n], len(p))
		if !ok {
			return c.leave(x, n, nil)
		}
		var err error
		if n, err = c.readBody(x, p, n, size); err != nil {
			return c.leave(x, n, err)
		}
		if !c.state.CompareAndSwap(idle, busy) {
			return 0, net.ErrClosed
		}
		if err = x.respond(p[:size], p[size:n]); err == errHijacked {
			return 0, io.EOF // at which net/http is silent
		} else if err != nil {
			c.Conn.Close() //nolint:errcheck // it failed already
			return 0, err
		}
		c.state.Store(idle)
		if (x.last || c.server.closing.Load()) && c.state.CompareAndSwap(idle, closed) {
			c.Conn.Close() //nolint:errcheck // everything was sent
			return 0, net.ErrClosed
		}
		if n, err = c.readNext(x, p, copy(p, p[size:n])); err != nil {
			return c.leave(x, n, err)
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

// handOver leaves the connection to net/http. False means that Shutdown has closed it.
func (c *conn) handOver() bool {
	c.left = c.state.CompareAndSwap(idle, busy)
	return c.left
}

// leave hands a connection over that has been served here, with n bytes of a request. net/http
// gets the time for a head, and no other deadline.
func (c *conn) leave(x *exchange, n int, err error) (int, error) {
	if !c.handOver() {
		return 0, net.ErrClosed
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() && n > 0 {
		err = nil // net/http decides how long it waits for a body
	}
	c.SetReadDeadline(time.Now().Add(c.server.options.HeadTimeout)) //nolint:errcheck // the next Read says so
	if !x.writeDue.IsZero() {
		c.SetWriteDeadline(time.Time{}) //nolint:errcheck // the next Write says so
	}
	return n, err
}
