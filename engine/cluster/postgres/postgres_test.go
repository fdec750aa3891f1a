package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/cluster/postgres"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/internal/pgtest"
)

var quiet = slog.New(slog.DiscardHandler)

// patience limits what only takes long if it fails.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	if os.Getenv(enginetest.RoundsVar) == "" {
		os.Setenv(enginetest.RoundsVar, modelRounds)
	}
	code := pgtest.Run(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// names counts the clusters of the server that tests share.
var names atomic.Int64

func newName() string { return fmt.Sprint("test", names.Add(1)) }

// open connects a node to a cluster.
func open(t testing.TB, url, name string, shards int) *postgres.DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := postgres.Open(ctx, url, postgres.Options{Cluster: name, Shards: shards, Unreplicated: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// TestLog checks the log, which is opened again over further connections.
func TestLog(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	logtest.Run(t, 2, func(t *testing.T) func(*testing.T) cluster.Log {
		name := newName()
		return func(t *testing.T) cluster.Log { return open(t, s.URL("postgres"), name, 2).Log() }
	})
}

func TestBus(t *testing.T) {
	t.Parallel()
	s := pgtest.Shared(t)
	logtest.RunBus(t, func(t *testing.T) (a, b engine.Bus) {
		name := newName()
		return open(t, s.URL("postgres"), name, 1).Bus(), open(t, s.URL("postgres"), name, 1).Bus()
	})
}
