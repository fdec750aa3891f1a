package wirepost

import (
	"net/http"
	"sync"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// Echo answers every message of a WebSocket with itself, whatever its type. There
// is no user and no channel behind it; the server's origins are checked.
func (s *Server) Echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := parseAddress(r.RemoteAddr)
		err := s.Ready()
		if err == nil {
			err = s.checkUpgrade(w, r)
		}
		if err == nil {
			err = s.limits.enter(from)
		}
		if err != nil {
			s.refuseUpgrade(w, r, err)
			return
		}
		l := s.pickLoop()
		e := &echo{srv: s, loop: l, address: from}
		s.echoes.add(e)
		if s.upgrade(w, r, s.echoProtocol(r), l, e.attach) != nil { // it has answered by itself
			s.echoes.remove(e)
		}
	})
}

// echoProtocol is the subprotocol that an echo agrees on.
func (s *Server) echoProtocol(r *http.Request) string {
	if n := s.chooseSubprotocol(r); n != 0 {
		return s.subprotocol(n)
	}
	return plainProtocol(r)
}

// echo is one such connection. It reads on only when its answers have left, so
// what it holds is bounded by what the peer reads.
type echo struct {
	srv     *Server
	loop    *loop
	address address
	conn    conn.Conn // owned by the loop; nil until attached
	meter   *meter    // owned by the loop
}

func (e *echo) attach(c conn.Conn) conn.Handler {
	e.conn = c
	if e.srv.draining.Load() { // Shutdown may have looked before there was a connection
		c.Close(wire.CloseRestart, "restart")
	}
	return e
}

// retire ends the connection because the server restarts.
func (e *echo) retire() {
	e.loop.post(func() {
		if e.conn != nil {
			e.conn.Close(wire.CloseRestart, "restart")
		}
	})
}

// Message implements conn.Handler.
func (e *echo) Message(binary bool, payload []byte) {
	if !e.mayAlso(len(payload)) {
		return
	}
	if len(payload) > e.srv.opts.MaxMessage {
		e.conn.Close(wire.CloseTooLarge, "message too big")
		return
	}
	if !e.conn.Write(Frame{Binary: binary, Data: payload}.encode()) {
		e.conn.PauseRead()
	}
}

// Ping implements conn.Handler.
func (e *echo) Ping(payload []byte) { e.mayAlso(len(payload)) }

// Pong implements conn.Handler.
func (e *echo) Pong([]byte) {}

// Drained implements conn.Handler.
func (e *echo) Drained() { e.conn.ResumeRead() }

// Closing implements conn.Handler.
func (e *echo) Closing(conn.Ending) {}

// Closed implements conn.Handler.
func (e *echo) Closed(conn.Ending) { e.srv.echoes.remove(e) }

func (f Frame) encode() []byte {
	op := conn.OpText
	if f.Binary {
		op = conn.OpBinary
	}
	return conn.AppendFrame(nil, op, f.Data)
}

// echoes are the echo connections that are open, so that Shutdown can end them.
type echoes struct {
	mu  sync.Mutex
	all map[*echo]struct{}
}

func (es *echoes) add(e *echo) {
	es.mu.Lock()
	defer es.mu.Unlock()
	if es.all == nil {
		es.all = map[*echo]struct{}{}
	}
	es.all[e] = struct{}{}
}

func (es *echoes) remove(e *echo) {
	es.mu.Lock()
	defer es.mu.Unlock()
	delete(es.all, e)
	e.srv.limits.leave(e.address)
	e.srv.limits.close(e.address)
}

func (es *echoes) len() int {
	es.mu.Lock()
	defer es.mu.Unlock()
	return len(es.all)
}

func (es *echoes) retire() {
	es.mu.Lock()
	defer es.mu.Unlock()
	for e := range es.all {
		e.retire()
	}
}
