package peer

import (
	"net"
	"net/http"

	"github.com/olahol/melody"
)

// melodyServer is the README of github.com/olahol/melody with its defaults: a
// channel of 256 messages per session, and messages beyond that are dropped.
type melodyServer struct{ m *melody.Melody }

func newMelody() (Server, error) { return melodyServer{melody.New()}, nil }

func (s melodyServer) Serve(l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		s.m.HandleRequest(w, r) //nolint:errcheck // it has sent a response
	})
	return http.Serve(l, mux)
}

func (s melodyServer) Publish(data []byte, times int) error {
	for range times {
		if err := s.m.Broadcast(data); err != nil {
			return err
		}
	}
	return nil
}

func (s melodyServer) Online() int { return s.m.Len() }
