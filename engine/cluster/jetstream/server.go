package jetstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// ServerOptions configures an embedded server.
type ServerOptions struct {
	Name  string // of the node; unique in the cluster
	Dir   string // of the store
	Group string // the name of the cluster

	// Host and Port are the address for routes from the other servers. With port 0 there
	// are none: the server is alone.
	Host string
	Port int
	// Peers are the addresses of all servers for routes, that of this one included.
	Peers []*url.URL

	// Secret is what all servers of the cluster know. A server without it cannot join. It
	// is required unless all addresses are loopback ones. Nobody can guess it from what the
	// servers show only if it is random: 16 bytes at least, 32 are better.
	Secret string
	// TLS has the certificate of this server and the authorities (RootCAs) of the others.
	// Nil: with a secret, all servers have the key that follows from it, and accept no
	// other.
	TLS *tls.Config

	Logger *slog.Logger // nil: slog.Default()
}

// Server is an embedded NATS server. It accepts clients only from this process.
type Server struct {
	s      *server.Server
	peers  int
	logger *slog.Logger
	lines  *logger // of s
}

// A route on which nothing arrives any more is closed after three intervals, and another one
// is dialed. The server would wait for 90 s, and after a partition for the next attempt of TCP
// to send again, which comes later the longer the partition was.
const (
	routePing  = 2 * time.Second
	routePings = 2
)

// startLimit limits the time until a server accepts connections.
const startLimit = 10 * time.Second

// StartServer starts a server. It does not wait for its peers, but asks those that run for
// their names: if one has the name of this server, the error is cluster.ErrNameTaken.
func StartServer(o ServerOptions) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	options := &server.Options{
		ServerName: o.Name, DontListen: true, NoSigs: true, DisableJetStreamBanner: true,
		CustomClientAuthentication: inProcess{},
		JetStream:                  true, StoreDir: o.Dir,
		// JetStream acknowledges what a power cut would lose otherwise.
		SyncAlways: true,
		// The node watches the space on the disk, and stops proposing in time.
		JetStreamMaxStore:  1 << 60,
		JetStreamMaxMemory: 32 * memoryBytes,
		MaxPayload:         maxPayload,
		// A peer that is down is worth a line now and then.
		ConnectErrorReports: 60, ReconnectErrorReports: 60,
		LameDuckDuration: time.Second, LameDuckGracePeriod: time.Millisecond,
	}
	if o.Port != 0 {
		err := o.routes(options)
		if err == nil {
			err = o.nameFree(&options.Cluster)
		}
		if err != nil {
			return nil, fmt.Errorf("start the embedded NATS server: %w", err)
		}
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start the embedded NATS server: %w", err)
	}
	lines := &logger{to: o.Logger}
	s.SetLoggerV2(lines, false, false, false)
	s.Start()
	ready := false
	for give := time.Now().Add(startLimit); !ready && lines.stopped() == "" && time.Now().Before(give); {
		ready = s.ReadyForConnections(startLimit / 100)
	}
	if !ready {
		s.Shutdown()
		if why := lines.stopped(); why != "" {
			return nil, fmt.Errorf("the embedded NATS server does not start: %s: its files are in %s; if they are damaged, "+
				"remove that directory, on this node only: the other nodes have what is in it", why, o.Dir)
		}
		return nil, errors.New("the embedded NATS server does not start")
	}
	return &Server{s: s, peers: len(o.Peers), logger: o.Logger, lines: lines}, nil
}

// routes sets the options of the routes between servers.
func (o *ServerOptions) routes(to *server.Options) error {
	listen := net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	if o.Secret == "" {
		for _, address := range append([]string{listen}, hosts(o.Peers)...) {
			if !loopback(address) {
				return fmt.Errorf("a cluster over a network needs a secret: %s is not a loopback address", address)
			}
		}
	}
	// The server accepts no routes before it accepts clients, see inProcess.
	to.DontListen, to.Host, to.Port = false, "127.0.0.1", server.RANDOM_PORT
	to.Cluster = server.ClusterOpts{
		Name: o.Group, Host: o.Host, Port: o.Port,
		TLSConfig: o.TLS, TLSTimeout: 5, ConnectBackoff: false, NoAdvertise: true,
		PingInterval: routePing, MaxPingsOut: routePings,
	}
	switch {
	case o.TLS != nil:
		mutual := o.TLS.Clone()
		mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, mutual.RootCAs
		to.Cluster.TLSConfig = mutual
	case o.Secret != "":
		shared, err := secretTLS(o.Secret)
		if err != nil {
			return err
		}
		to.Cluster.TLSConfig = shared
	}
	for _, peer := range o.Peers {
		route := *peer
		if o.Secret != "" {
			to.Cluster.Username, to.Cluster.Password = "wirepost", routePassword(o.Secret)
			route.User = url.UserPassword(to.Cluster.Username, to.Cluster.Password)
		}
		to.Routes = append(to.Routes, &route)
	}
	return nil
}

func hosts(urls []*url.URL) (all []string) {
	for _, u := range urls {
		all = append(all, u.Host)
	}
	return all
}

// loopback reports whether an address is only reached from this machine.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Connect returns a connection to the server, without a socket.
func (s *Server) Connect() (*nats.Conn, error) {
	return nats.Connect("", append(connectionOptions(s.logger), nats.InProcessServer(s.s))...)
}

// Waiting says which servers are missing, and what keeps them away if that is known, for an
// operator; "" if the server is alone or connected to all others.
func (s *Server) Waiting() string {
	connected := []string{s.s.Name()}
	if routes, err := s.s.Routez(nil); err == nil {
		for _, r := range routes.Routes {
			connected = append(connected, r.RemoteName)
		}
	}
	slices.Sort(connected)
	connected = slices.Compact(connected)
	if len(connected) >= s.peers {
		return ""
	}
	text := fmt.Sprintf("%d of %d servers are connected: %v", len(connected), s.peers, connected)
	if advice := s.lines.current(); advice != "" {
		text += "; " + advice
	}
	return text
}

// Close lets other servers lead what this one leads, which is quicker than the election
// after a failure, and stops the server. It waits for that until ctx is done. Connections to
// the server should be closed before.
func (s *Server) Close(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		if s.peers > 1 {
			s.s.LameDuckShutdown()
		}
		s.s.Shutdown()
		s.s.WaitForShutdown()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// inProcess accepts the connections of Connect only. It implements server.Authentication.
type inProcess struct{}

func (inProcess) Check(c server.ClientAuthentication) bool {
	a := c.RemoteAddress()
	return a != nil && a.Network() == "pipe"
}
