package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// ServerOptions configures an embedded server.
type ServerOptions struct {
	Name  string // of the node; unique in the cluster
	Dir   string // of the store
	Group string // the name of the cluster

	// Listen is the address for routes from the other servers; "": there are none.
	Host  string
	Port  int
	Peers []*url.URL // their routes

	Logger server.Logger // nil: none
}

// Server is an embedded NATS server. It accepts clients only from this process.
type Server struct{ s *server.Server }

// startLimit limits the time until a server accepts connections.
const startLimit = 10 * time.Second

// StartServer starts a server.
func StartServer(o ServerOptions) (*Server, error) {
	options := &server.Options{
		ServerName: o.Name, DontListen: true, NoSigs: true, NoLog: o.Logger == nil,
		JetStream: true, StoreDir: o.Dir,
		// JetStream acknowledges what a power cut would lose otherwise.
		SyncAlways: true,
		MaxPayload: 8 << 20,
	}
	if o.Port != 0 {
		options.Cluster = server.ClusterOpts{Name: o.Group, Host: o.Host, Port: o.Port}
		options.Routes = o.Peers
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start the embedded NATS server: %w", err)
	}
	if o.Logger != nil {
		s.SetLoggerV2(o.Logger, false, false, false)
	}
	s.Start()
	if !s.ReadyForConnections(startLimit) {
		s.Shutdown()
		return nil, errors.New("the embedded NATS server does not start")
	}
	return &Server{s}, nil
}

// Connect returns a connection to the server, without a socket.
func (s *Server) Connect() (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(s.s), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
}

// Close stops the server, and waits for it until ctx is done.
func (s *Server) Close(ctx context.Context) {
	s.s.Shutdown()
	done := make(chan struct{})
	go func() {
		s.s.WaitForShutdown()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
