package peer

import (
	"context"
	"net"
	"net/http"

	"github.com/centrifugal/centrifuge"
)

// centrifugeServer is the example of github.com/centrifugal/centrifuge: one node,
// its memory broker, the JSON protocol, a channel without history.
type centrifugeServer struct{ node *centrifuge.Node }

func newCentrifuge() (Server, error) {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{}, nil
	})
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnSubscribe(func(_ centrifuge.SubscribeEvent, cb centrifuge.SubscribeCallback) {
			cb(centrifuge.SubscribeReply{}, nil)
		})
	})
	return &centrifugeServer{node}, node.Run()
}

func (s *centrifugeServer) Serve(l net.Listener) error {
	sockets := centrifuge.NewWebsocketHandler(s.node, centrifuge.WebsocketConfig{})
	mux := http.NewServeMux()
	mux.HandleFunc("/connection/websocket", func(w http.ResponseWriter, r *http.Request) {
		who := &centrifuge.Credentials{UserID: r.URL.Query().Get("user")}
		sockets.ServeHTTP(w, r.WithContext(centrifuge.SetCredentials(r.Context(), who)))
	})
	return http.Serve(l, mux)
}

func (s *centrifugeServer) Publish(data []byte, times int) error {
	for range times {
		if _, err := s.node.Publish("news", data); err != nil {
			return err
		}
	}
	return nil
}

func (s *centrifugeServer) Online() int { return s.node.Hub().NumClients() }
