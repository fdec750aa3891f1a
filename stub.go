package wirepost

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// Server stub: replaced soon.
type Server struct{}

func New(o Options) (*Server, error)                                       { panic("stub") }
func (s *Server) Push(ctx context.Context, p Push) (Pushed, error)         { panic("stub") }
func (s *Server) PushAll(ctx context.Context, ps []Push) ([]Pushed, error) { panic("stub") } // all names checked first, one bad one refuses all
func (s *Server) PushEach(ctx context.Context, ps []Push) []Outcome        { panic("stub") } // each on its own; in order
func (s *Server) Online(user string) int                                   { panic("stub") }
func (s *Server) Sessions(user string) []Session                           { panic("stub") }
func (s *Server) User(user string) (UserInfo, error)                       { panic("stub") }

// Disconnect ends one connection of a user, or all with connection "". NotFound for an unknown connection.
func (s *Server) Disconnect(user, connection string) (int, error) { panic("stub") }
func (s *Server) Messages(channel string, after uint64, limit int) ([]Message, uint64, error) {
	panic("stub")
} // second: next
func (s *Server) MarkRead(user, channel string, seq uint64) (read uint64, unread int, err error) {
	panic("stub")
}
func (s *Server) Join(user, channel string) error                                { panic("stub") }
func (s *Server) Leave(user, channel string) error                               { panic("stub") } // NotFound when no member
func (s *Server) Channel(name string) (ChannelInfo, error)                       { panic("stub") }
func (s *Server) Empty(channel string) error                                     { panic("stub") }
func (s *Server) Message(channel string, seq uint64) (Message, []Receipt, error) { panic("stub") }
func (s *Server) Revoke(ctx context.Context, channel string, seq uint64) (Pushed, error) {
	panic("stub")
}                                                                  // the revocation's own seq
func (s *Server) Stats() Stats                                     { panic("stub") }
func (s *Server) Ready() error                                     { panic("stub") } // Unavailable when draining
func (s *Server) MaxMessage() int                                  { panic("stub") }
func (s *Server) Collector() prometheus.Collector                  { panic("stub") }
func (s *Server) Echo() http.Handler                               { panic("stub") } // GET /echo
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("stub") } // GET /ws
func (s *Server) Shutdown(ctx context.Context) error               { panic("stub") } // drains
