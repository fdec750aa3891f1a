package jetstream_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestLog(t *testing.T) {
	t.Parallel()
	logtest.Run(t, 3, func(t *testing.T) func(*testing.T) cluster.Log {
		dir := t.TempDir()
		var running *jetstream.Server
		return func(t *testing.T) cluster.Log {
			if running != nil {
				running.Close(t.Context())
			}
			s, err := jetstream.StartServer(jetstream.ServerOptions{Name: "a", Dir: dir, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			running = s
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				s.Close(ctx)
			})
			nc, err := s.Connect()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			l, err := jetstream.Open(t.Context(), nc, jetstream.Options{Name: "test", Shards: 3, Replicas: 1, Server: s, Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
	})
}
