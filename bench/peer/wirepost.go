package peer

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/wirepost/wirepost"
)

// wirepostServer is Wirepost in a Go program, with plain-mode clients.
type wirepostServer struct {
	*wirepost.Server
	channel string // what Publish pushes to
}

// newWirepost keeps messages in memory and pushes to a channel that the clients subscribe
// to, which is closest to the other peers.
func newWirepost() (Server, error) {
	s, err := newServer(wirepost.Options{})
	if err != nil {
		return nil, err
	}
	return &wirepostServer{s, "news"}, nil
}

func newServer(o wirepost.Options) (*wirepost.Server, error) {
	o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
		return wirepost.Identity{User: r.URL.Query().Get("user"), Subscribe: []string{"news"}}, nil
	}
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return wirepost.New(o)
}

func (s *wirepostServer) Serve(l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/ws", s.Server)
	return http.Serve(l, mux)
}

func (s *wirepostServer) Publish(data []byte, times int) error {
	for range times {
		if _, err := s.Push(context.Background(), wirepost.Push{To: s.channel, Data: data}); err != nil {
			return err
		}
	}
	return nil
}

func (s *wirepostServer) Online() int { return s.Stats().Connections }
