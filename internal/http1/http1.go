// Package http1 serves small requests on the connections of an http.Server before it sees
// them, at about half of its cost.
//
// net/http reads ahead on a connection while a handler runs, to notice that the client has
// gone, which takes a goroutine, two deadlines and a system call for each request; and it
// makes the request, its header and its context anew each time. A push of a few hundred
// bytes needs none of that, and a WebSocket handshake none of the buffers and of the deep
// stack that net/http has for a connection. Here requests are served before net/http has
// their connection, by the same handler:
//
//	listener.go  the connections, those that net/http gets, and when
//	conn.go      a connection: its requests are served, or net/http gets their bytes
//	head.go      what is served: a strict subset of RFC 9112, in one piece
//	exchange.go  a request and its response, of which a connection has one for all
//	response.go  the http.ResponseWriter
//	hijack.go    the end of HTTP on a connection, after a handshake
//	tls.go       connections with TLS, which are not served here
//
// Whatever is not simple is left to net/http, from its first byte, and so is the rest of
// its connection: other methods and paths, bodies of unknown length, bodies and heads that
// do not fit into the buffer or whose head arrives in pieces, headers that
// occur twice or that change the meaning of the connection, and everything that is
// malformed. So there is one place that responds to bad requests.
//
// A handler that is called here must not keep the request after it has returned, unless it
// has taken the connection over, and the request's context does not end when the client goes.
package http1

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options say what is served.
type Options struct {
	// Serves reports whether a POST, or a GET that is a WebSocket handshake, for a target
	// such as "/v1/push?id=1" is served here.
	Serves func(method string, target []byte) bool
	// Handler serves the requests. It may be called while others are served.
	Handler http.Handler
	// HeadTimeout is how long net/http waits for a head, and IdleTimeout how long a
	// connection may be idle.
	HeadTimeout, IdleTimeout time.Duration
	// ErrorLog gets the panics of Handler, as that of the http.Server does. Nil means the
	// default logger.
	ErrorLog *log.Logger
	// TLS says that the http.Server has TLS above the connections. Then no request is served
	// here, because none is readable, but Shutdown closes connections all the same. It needs
	// ConnState as that of the http.Server.
	TLS bool
}

// Server has the connections that are served here.
type Server struct {
	options Options

	closing atomic.Bool   // written with mu held
	empty   chan struct{} // closed when closing, and there are no conns

	mu    sync.Mutex
	conns map[*conn]struct{} // guarded by mu: all, until net/http has them, and with TLS a request of theirs
}

// NewServer makes a server.
func NewServer(o Options) *Server {
	if o.ErrorLog == nil {
		o.ErrorLog = log.Default()
	}
	return &Server{options: o, conns: make(map[*conn]struct{}), empty: make(chan struct{})}
}

// Listener returns a listener for an http.Server. Closing it, as that one does, closes the
// connections that are served here.
func (s *Server) Listener(l net.Listener) net.Listener {
	if s.options.TLS {
		return &encrypted{l, s}
	}
	return newListener(l, s)
}

// Shutdown closes the connections that are served here, each after its response, and those
// that have sent nothing yet. It belongs before the Shutdown of the http.Server, which does
// not know them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing.Swap(true) {
		s.emptyLocked()
	}
	for c := range s.conns {
		if c.state.CompareAndSwap(idle, closed) {
			c.Conn.Close() //nolint:errcheck // its Read returns
		}
	}
	s.mu.Unlock()
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeAll closes all connections that are served here.
func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.state.Load() != hijacked {
			c.Conn.Close() //nolint:errcheck // its goroutine ends
		}
	}
}

// add adds a new connection. False means that it is too late.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.emptyLocked()
}

func (s *Server) emptyLocked() {
	if s.closing.Load() && len(s.conns) == 0 {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}
