package jetstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsstream "github.com/nats-io/nats.go/jetstream"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
	"github.com/wirepost/wirepost/internal/testlog"
)

// TestAlone: a server that starts before the others waits for them, and says so.
func TestAlone(t *testing.T) {
	t.Parallel()
	c, err := newTrio(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.closeAll)
	if err := c.start(0); err != nil {
		t.Fatal(err)
	}
	said := testlog.NewLines("1 of 3 servers are connected: [a]")
	opened := make(chan error, 1)
	nc := c.connect(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := jetstream.Open(ctx, nc, jetstream.Options{
			Name: "test", Shards: 1, Replicas: 3, Server: c.servers[0], Logger: said.Logger(slog.LevelDebug),
		})
		opened <- err
	}()
	select {
	case <-said.Found:
	case err := <-opened:
		t.Fatalf("opened: %v", err)
	}
	cancel()
	if err := <-opened; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 of 3") {
		t.Errorf("it gave up with %v", err)
	}
}

// TestSecret: a server with another secret, or none, does not join, nor does one with another
// name of the cluster.
func TestSecret(t *testing.T) {
	t.Parallel()
	c := sharedTrio(t)
	for name, change := range map[string]func(*jetstream.ServerOptions){
		"other secret": func(o *jetstream.ServerOptions) { o.Secret = "another secret, also of 32 bytes!" },
		"no secret":    func(o *jetstream.ServerOptions) { o.Secret = "" },
		"other name":   func(o *jetstream.ServerOptions) { o.Group = "other" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			routes, err := freeRoutes(1)
			if err != nil {
				t.Fatal(err)
			}
			wants := map[string]string{
				"other secret": "another secret", "no secret": "Router connection closed: Client Closed - Host", "other name": "Cluster Name Conflict",
			}
			said := testlog.NewLines(wants[name])
			o := c.options(0)
			o.Name, o.Dir, o.Logger = "stranger", t.TempDir(), said.Logger(slog.LevelDebug)
			o.Peers = append(routes, c.routes...)
			fmt.Sscan(routes[0].Port(), &o.Port)
			change(&o)
			s, err := jetstream.StartServer(o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Kill()
			said.Await(t) // it has tried
			advice := map[string]string{"other secret": "cluster.secret must be the same", "other name": "cluster.name must be the same"}
			if waiting := s.Waiting(); !strings.HasPrefix(waiting, "1 of 4 servers are connected: [stranger]") || !strings.Contains(waiting, advice[name]) {
				t.Errorf("it says %q", waiting)
			}
		})
	}
	// The server sends nothing to a client without the key, which learns of that when it
	// reads.
	conn, err := tls.Dial("tcp", c.routes[0].Host, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		defer conn.Close()
		if n, err := conn.Read(make([]byte, 100)); err == nil {
			t.Errorf("a route without a certificate got %d bytes", n)
		}
	}
}

// TestNameTaken: a server does not start with the name of one that runs, because the others
// would take it for that. In another cluster the name is free.
func TestNameTaken(t *testing.T) {
	t.Parallel()
	c := sharedTrio(t)
	for _, group := range []string{"test", "other"} {
		routes, err := freeRoutes(1)
		if err != nil {
			t.Fatal(err)
		}
		o := c.options(0)
		o.Dir, o.Group = t.TempDir(), group
		o.Peers = append(routes, c.routes...)
		fmt.Sscan(routes[0].Port(), &o.Port)
		s, err := jetstream.StartServer(o)
		if err == nil {
			s.Kill()
		}
		if taken := errors.Is(err, cluster.ErrNameTaken); taken != (group == "test") {
			t.Errorf("in the cluster %q: %v", group, err)
		}
	}
}

// TestDamagedFiles: a server that cannot start says why, and where its files are.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	o := jetstream.ServerOptions{Name: "a", Group: "test", Host: "127.0.0.1", Dir: t.TempDir(), Logger: quiet}
	routes, err := freeRoutes(3)
	if err != nil {
		t.Fatal(err)
	}
	o.Peers = routes
	fmt.Sscan(routes[0].Port(), &o.Port)
	snapshots := filepath.Join(o.Dir, "jetstream", "$SYS", "_js_", "_meta_", "snapshots")
	if err := errors.Join(os.MkdirAll(snapshots, 0o700), os.WriteFile(filepath.Join(snapshots, "snap.1.1"), make([]byte, 100), 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := jetstream.StartServer(o)
	if err == nil {
		s.Kill()
	}
	if err == nil || !strings.Contains(err.Error(), "snapshot corrupt") || !strings.Contains(err.Error(), o.Dir) {
		t.Errorf("it starts: %v", err)
	}
}

// TestNeedsSecret: a cluster over a network needs a secret.
func TestNeedsSecret(t *testing.T) {
	t.Parallel()
	for _, o := range []jetstream.ServerOptions{
		{Host: "0.0.0.0"},
		{Host: "127.0.0.1", Peers: []*url.URL{{Host: "127.0.0.1:1"}, {Host: "192.0.2.1:1"}}},
		{Host: "localhost", Peers: []*url.URL{{Host: "example.com:1"}}},
	} {
		o.Name, o.Group, o.Port, o.Dir, o.Logger = "a", "test", 1, t.TempDir(), quiet
		if _, err := jetstream.StartServer(o); err == nil || !strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestOtherStream: streams with other settings are not used.
func TestOtherStream(t *testing.T) {
	t.Parallel()
	c := sharedTrio(t)
	c.open(t, 0, "taken", 2)
	nc := c.connect(t, 1)
	for _, test := range []struct {
		want string
		o    jetstream.Options
	}{
		{"its replicas is 3, this node needs 1", jetstream.Options{Name: "taken", Shards: 2, Replicas: 1}},
		{"its shards is 2, this node needs 4", jetstream.Options{Name: "taken", Shards: 4, Replicas: 3}},
		{"name of a cluster", jetstream.Options{Name: "a.b", Shards: 1, Replicas: 3}},
	} {
		test.o.Server, test.o.Logger = c.servers[1], quiet
		if _, err := jetstream.Open(t.Context(), nc, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.o, err, test.want)
		}
	}
}

// TestMemoryLost: when all servers have stopped, the log of memory-only channels begins
// anew, with later positions, and followers learn of that.
func TestMemoryLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log *jetstream.Log
	open := func() func() {
		s, err := jetstream.StartServer(jetstream.ServerOptions{Name: "a", Dir: dir, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := s.Connect()
		if err != nil {
			t.Fatal(err)
		}
		log, err = jetstream.Open(t.Context(), nc, jetstream.Options{Name: "test", Shards: 1, Replicas: 1, Server: s, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			nc.Close()
			s.Kill()
		}
	}
	stop := open()
	if err := log.Propose(t.Context(), 1, []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, before, err := log.Bounds(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	name := log.StreamName(1)
	stop()
	time.Sleep(jetstream.YoungMemory) // what is younger is not lost, but just made
	defer open()()
	first, last, err := log.Bounds(t.Context(), 1)
	if err != nil || first <= before || last != first-1 || log.StreamName(1) == name {
		t.Errorf("bounds %d, %d, %v after position %d; stream %s", first, last, err, before, log.StreamName(1))
	}
	for _, err := range log.Follow(t.Context(), 1, before) {
		if !errors.Is(err, cluster.ErrTrimmed) {
			t.Errorf("following the lost log: %v", err)
		}
	}

	// It is lost again, while a node goes on.
	if err := log.Propose(t.Context(), 1, []byte("y")); err != nil {
		t.Fatal(err)
	}
	js, err := natsstream.New(log.Conn())
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		for _, err := range log.Follow(t.Context(), 1, first) {
			failed <- err
		}
	}()
	if err := js.DeleteStream(t.Context(), log.StreamName(1)); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err == nil {
		t.Error("the follower goes on")
	}
	if again, _, err := log.Bounds(t.Context(), 1); err != nil || again <= first {
		t.Errorf("it begins with %d, %v, and did with %d", again, err, first)
	}
	if err := log.Propose(t.Context(), 1, []byte("z")); err != nil {
		t.Error(err)
	}
}

// startNATS starts a server as an operator does.
func startNATS(t *testing.T, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
	}
	change(o)
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("NATS does not start")
	}
	return s
}

// TestExternal: servers that do not keep what they acknowledge are refused, with what to
// change.
func TestExternal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want     string // in the error; "": none
		replicas int
		change   func(*server.Options)
	}{
		{"", 1, func(*server.Options) {}},
		{"3 replicas are required, but there is only one NATS server", 3, func(*server.Options) {}},
		{"JetStream is needed", 1, func(o *server.Options) { o.JetStream = false }},
		{"set max_payload to at least", 1, func(o *server.Options) { o.MaxPayload = 64 << 10 }},
		{"Authorization Violation", 1, func(o *server.Options) { o.Username, o.Password = "a", "b" }},
	} {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			s := startNATS(t, test.change)
			said := testlog.NewLines("sync_interval: always")
			l, err := openExternal(t, s.ClientURL(), test.replicas, said.Logger(slog.LevelDebug))
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				said.Await(t) // it cannot know
				if err := l.Propose(t.Context(), 0, []byte("x")); err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("opened: %v, want %q", err, test.want)
			}
		})
	}
}

func openExternal(t *testing.T, address string, replicas int, logger *slog.Logger) (*jetstream.Log, error) {
	nc, err := jetstream.Connect(t.Context(), jetstream.ConnectOptions{URLs: []string{address}, Logger: logger})
	if err != nil {
		return nil, err
	}
	t.Cleanup(nc.Close)
	return jetstream.Open(t.Context(), nc, jetstream.Options{Name: "test", Shards: 1, Replicas: replicas, Logger: logger})
}

// TestSync: the monitoring port of a server says whether it writes before it acknowledges.
func TestSync(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{false, true} {
		s := startNATS(t, func(o *server.Options) { o.SyncAlways = always })
		monitor := httptest.NewServer(http.HandlerFunc(s.HandleJsz))
		defer monitor.Close()
		if got, err := jetstream.SyncsAlways(t.Context(), http.DefaultClient, monitor.URL); got != always || err != nil {
			t.Errorf("sync always is %v: %v, %v", always, got, err)
		}
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if _, err := jetstream.SyncsAlways(t.Context(), http.DefaultClient, other.URL); err == nil {
		t.Error("another server was believed to be NATS")
	}
}
