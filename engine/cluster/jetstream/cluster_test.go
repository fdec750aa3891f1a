package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// testSecret is the secret of the tests' servers.
const testSecret = "a secret of the tests, 32 bytes!"

// trio is three servers that form a cluster.
type trio struct {
	dir    string
	logger *slog.Logger
	routes []*url.URL

	servers [3]*jetstream.Server // nil: not running
}

// freeRoutes returns addresses that are free now. Their ports are below those that outgoing
// connections get, or one of these could have the port while its server is not running.
func freeRoutes(n int) (all []*url.URL, err error) {
	for range 100 * n {
		l, e := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(10_000)))
		if e != nil {
			err = e
			continue
		}
		defer l.Close()
		if all = append(all, &url.URL{Scheme: "nats-route", Host: l.Addr().String()}); len(all) == n {
			return all, nil
		}
	}
	return nil, err
}

func newTrio(dir string) (*trio, error) {
	routes, err := freeRoutes(3)
	level := slog.LevelError + 1
	if os.Getenv("NATS_LOG") != "" {
		level = slog.LevelDebug
	}
	return &trio{dir: dir, routes: routes, logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))}, err
}

func (c *trio) options(i int) jetstream.ServerOptions {
	port, _ := strconv.Atoi(c.routes[i].Port())
	return jetstream.ServerOptions{
		Name: string(rune('a' + i)), Dir: filepath.Join(c.dir, fmt.Sprint(i)), Group: "test",
		Host: c.routes[i].Hostname(), Port: port, Peers: c.routes, Secret: testSecret, Logger: c.logger,
	}
}

func (c *trio) start(i int) (err error) {
	c.servers[i], err = jetstream.StartServer(c.options(i))
	return err
}

func (c *trio) startAll() error {
	return errors.Join(c.start(0), c.start(1), c.start(2))
}

func (c *trio) close(i int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c.servers[i].Close(ctx)
	c.servers[i] = nil
}

func (c *trio) closeAll() {
	var closing sync.WaitGroup
	for i, s := range c.servers {
		if s != nil {
			closing.Go(func() { c.close(i) })
		}
	}
	closing.Wait()
}

// shared are the servers of all tests that stop none of them.
var shared struct {
	sync.Once
	*trio
	err error
}

// patience limits what only takes long if it fails.
const patience = 3 * time.Minute

// TestMain also runs the server of a trio that is a process of its own.
func TestMain(m *testing.M) {
	if args := os.Getenv("JETSTREAM_CHILD"); args != "" {
		runChild(args)
	}
	code := m.Run()
	if shared.trio != nil {
		shared.closeAll()
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func sharedTrio(t *testing.T) *trio {
	t.Helper()
	shared.Do(func() {
		dir, err := os.MkdirTemp("", "jetstream")
		if err != nil {
			shared.err = err
			return
		}
		if shared.trio, shared.err = newTrio(dir); shared.err == nil {
			shared.err = shared.startAll()
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.trio
}

func (c *trio) connect(t testing.TB, i int) *nats.Conn {
	t.Helper()
	nc, err := c.servers[i].Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// open opens a log of three replicas at one of the servers.
func (c *trio) open(t testing.TB, i int, name string, shards int) *jetstream.Log {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l, err := jetstream.Open(ctx, c.connect(t, i), jetstream.Options{
		Name: name, Shards: shards, Replicas: 3, Server: c.servers[i], Logger: c.logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestCluster checks the log of three servers, a node at each of which has opened it.
func TestCluster(t *testing.T) {
	t.Parallel()
	var logs atomic.Int32
	logtest.Run(t, 2, func(t *testing.T) func(*testing.T) cluster.Log {
		c := sharedTrio(t)
		name := fmt.Sprint("log", logs.Add(1))
		opened := 0
		return func(t *testing.T) cluster.Log {
			opened++
			return c.open(t, opened%3, name, 2)
		}
	})
}

func TestBus(t *testing.T) {
	t.Parallel()
	var buses atomic.Int32
	logtest.RunBus(t, func(t *testing.T) (a, b engine.Bus) {
		c := sharedTrio(t)
		name := fmt.Sprint("bus", buses.Add(1))
		return jetstream.NewBus(c.connect(t, 0), name), jetstream.NewBus(c.connect(t, 1), name)
	})
}
