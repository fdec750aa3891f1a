package peer

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/wirepost/wirepost"
)

// Presence is the name of the peer whose clients see who is present.
const Presence = "wirepost-presence"

// newPresence is Wirepost with presence in the channel of the clients.
func newPresence() (Server, error) {
	s, err := wirepost.New(wirepost.Options{
		Channels: []wirepost.Policy{{Pattern: "news", Subscribe: wirepost.AccessAnyone, Presence: true}},
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			user := r.URL.Query().Get("user")
			return wirepost.Identity{User: user, Info: fmt.Appendf(nil, `{"name":"Somebody %s"}`, user)}, nil
		},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, err
	}
	return &wirepostServer{s, "news"}, nil
}
