package wirepost

import (
	"net/http"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// Echo answers every message of a WebSocket with itself, whatever its type. There
// is no user and no channel behind it; the server's origins are checked.
func (s *Server) Echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.Ready()
		if err == nil {
			err = s.checkUpgrade(r)
		}
		if err != nil {
			refuseUpgrade(w, err)
			return
		}
		// Upgrade answers a failed handshake by itself.
		_ = s.upgrade(w, r, "plain", s.pickLoop(), func(c conn.Conn) conn.Handler { return &echo{conn: c, limit: s.opts.MaxMessage} })
	})
}

// echo is one such connection. It reads on only when its answers have left, so
// what it holds is bounded by what the peer reads.
type echo struct {
	conn  conn.Conn
	limit int
}

// Message implements conn.Handler.
func (e *echo) Message(binary bool, payload []byte) {
	if len(payload) > e.limit {
		e.conn.Close(wire.CloseTooLarge, "message too big")
		return
	}
	if !e.conn.Write(Frame{Binary: binary, Data: payload}.encode()) {
		e.conn.PauseRead()
	}
}

// Pong implements conn.Handler.
func (e *echo) Pong([]byte) {}

// Drained implements conn.Handler.
func (e *echo) Drained() { e.conn.ResumeRead() }

// Closed implements conn.Handler.
func (e *echo) Closed(conn.Ending) {}

func (f Frame) encode() []byte {
	op := conn.OpText
	if f.Binary {
		op = conn.OpBinary
	}
	return conn.AppendFrame(nil, op, f.Data)
}
