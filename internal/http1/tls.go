package http1

import (
	"crypto/tls"
	"net"
	"net/http"
)

// encrypted is a listener below TLS, whose connections are watched for Shutdown only.
type encrypted struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (l *encrypted) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, server: l.server}
	if !l.server.add(c) {
		nc.Close() //nolint:errcheck // its Read fails
	}
	return c, nil
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
