package http1

import (
	"net"
	"sync"
	"sync/atomic"
)

// listener gives an http.Server the connections that are not served here, or no longer.
type listener struct {
	net.Listener
	server *Server
	begin  sync.Once
	next   chan *conn // for an idle worker
	idle   atomic.Int32
	left   chan accepted
	done   chan struct{} // closed by Close
	end    sync.Once
}

// accepted is the result of an Accept.
type accepted struct {
	conn net.Conn
	err  error
}

func newListener(l net.Listener, s *Server) *listener {
	return &listener{Listener: l, server: s, next: make(chan *conn), left: make(chan accepted), done: make(chan struct{})}
}

// Accept implements net.Listener. The first call begins to accept connections.
func (l *listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.acceptAll() })
	select {
	case a := <-l.left:
		return a.conn, a.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// acceptAll serves the connections until the listener is closed. After an error it goes on
// when the http.Server does.
func (l *listener) acceptAll() {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if !l.leave(accepted{err: err}) {
				return
			}
			continue
		}
		c := &conn{Conn: nc, server: l.server}
		if !l.server.add(c) {
			nc.Close() //nolint:errcheck // nothing was said on it
			continue
		}
		select {
		case l.next <- c:
		default:
			go l.work(c)
		}
	}
}

// maxIdle is how many goroutines wait for further connections. Each has a stack that has
// grown to what a handshake needs, which would otherwise take a tenth of its time.
const maxIdle = 64

// work serves a connection, and then others, unless enough goroutines do that.
func (l *listener) work(c *conn) {
	for {
		c.run(l)
		if l.idle.Add(1) > maxIdle {
			l.idle.Add(-1)
			return
		}
		select {
		case c = <-l.next:
			l.idle.Add(-1)
		case <-l.done:
			return
		}
	}
}

// leave has Accept return a connection or an error. False means that the listener is closed.
func (l *listener) leave(a accepted) bool {
	select {
	case l.left <- a:
		return true
	case <-l.done:
		return false
	}
}

// Close implements net.Listener, and closes the connections that are still served here.
// Server.Shutdown waits for them, if it comes before.
func (l *listener) Close() error {
	err := l.Listener.Close()
	l.end.Do(func() { close(l.done) })
	l.server.closeAll()
	return err
}
