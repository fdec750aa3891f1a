package peer

import (
	"net"
	"net/http"

	"github.com/lxzan/gws"
)

// gwsServer is the push example of github.com/lxzan/gws, without compression: a
// ConcurrentMap of connections and a Broadcaster, which frames a message once for
// all. Neither the library nor the example has a heartbeat.
type gwsServer struct {
	gws.BuiltinEventHandler
	conns *gws.ConcurrentMap[string, *gws.Conn]
}

func newGws() (Server, error) {
	return &gwsServer{conns: gws.NewConcurrentMap[string, *gws.Conn]()}, nil
}

func (s *gwsServer) Serve(l net.Listener) error {
	upgrader := gws.NewUpgrader(s, &gws.ServerOption{})
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		user := r.URL.Query().Get("user")
		socket.Session().Store("user", user)
		s.conns.Store(user, socket)
		go socket.ReadLoop()
	}))
}

// OnClose implements gws.Event.
func (s *gwsServer) OnClose(socket *gws.Conn, _ error) {
	user, _ := socket.Session().Load("user")
	if name, ok := user.(string); ok {
		s.conns.Delete(name)
	}
}

// OnPing sends a pong; the default handler also sets a deadline, which is not needed here.
func (s *gwsServer) OnPing(socket *gws.Conn, payload []byte) {
	socket.WritePong(payload) //nolint:errcheck // reported to OnClose
}

func (s *gwsServer) Publish(data []byte, times int) error {
	for range times {
		b := gws.NewBroadcaster(gws.OpcodeText, data)
		s.conns.Range(func(_ string, c *gws.Conn) bool {
			b.Broadcast(c) //nolint:errcheck // reported to OnClose
			return true
		})
		if err := b.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (s *gwsServer) Online() int { return s.conns.Len() }
