package gateway

import (
	"net/http"
	"sync"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// Echo echoes every message of a WebSocket, of any type. It has no user and no channel;
// the server's origins are checked.
func (g *Gateway) Echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := session.ParseAddress(r.RemoteAddr)
		err := g.config.Accepting()
		if err == nil {
			err = g.checkUpgrade(w, r)
		}
		if err == nil {
			err = g.limits.enter(from)
		}
		if err != nil {
			g.refuseUpgrade(w, r, err)
			return
		}
		l := g.pickLoop()
		e := &echo{gateway: g, loop: l, address: from}
		g.echoes.add(e)
		if g.upgrade(w, r, g.echoProtocol(r), l, e.attach) != nil { // it has sent the response
			g.echoes.remove(e)
		}
	})
}

// echoProtocol is the subprotocol that an echo negotiates.
func (g *Gateway) echoProtocol(r *http.Request) string {
	if n := g.chooseSubprotocol(r); n != 0 {
		return g.host.Subprotocol(n)
	}
	return plainProtocol(r)
}

// echo is one echo connection. It reads on only after its echoes have been sent, so its
// memory is bounded by what the peer reads.
type echo struct {
	gateway *Gateway
	loop    *session.Loop
	address session.Address
	conn    conn.Conn      // owned by the loop; nil until attached
	meter   *session.Meter // owned by the loop
}

func (e *echo) attach(c conn.Conn) conn.Handler {
	e.conn = c
	if e.gateway.draining.Load() { // Shutdown may have checked before this connection existed
		c.Close(wire.CloseRestart, "restart")
	}
	return e
}

// retire closes the connection because the server restarts.
func (e *echo) retire() {
	e.loop.Do(func() {
		if e.conn != nil {
			e.conn.Close(wire.CloseRestart, "restart")
		}
	})
}

// Message implements conn.Handler.
func (e *echo) Message(binary bool, payload []byte) {
	if !e.allows(len(payload)) {
		return
	}
	if !e.conn.Write(session.Frame{Binary: binary, Data: payload}.Encode()) {
		e.conn.PauseRead()
	}
}

// Ping implements conn.Handler.
func (e *echo) Ping(payload []byte) { e.allows(len(payload)) }

// Pong implements conn.Handler.
func (e *echo) Pong([]byte) {}

// Drained implements conn.Handler.
func (e *echo) Drained() { e.conn.ResumeRead() }

// Closing implements conn.Handler.
func (e *echo) Closing(conn.CloseInfo) {}

// Closed implements conn.Handler.
func (e *echo) Closed(conn.CloseInfo) { e.gateway.echoes.remove(e) }

// allows reports whether the client may send this message or ping; a client that sends
// too much is closed (4429). On the loop.
func (e *echo) allows(size int) bool {
	why, ok := e.loop.Allows(&e.meter, size)
	if !ok {
		e.conn.Close(wire.CloseTooMuch, why)
	}
	return ok
}

// echoes are the open echo connections, so that Shutdown can close them.
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
	e.gateway.limits.Leave(e.address)
	e.gateway.limits.Close(e.address)
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
