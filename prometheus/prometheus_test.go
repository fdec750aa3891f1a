package prometheus_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/prometheus"
)

// TestStore: a server with a store on disk has metrics of it. One in memory has none, rather
// than zeros that look like a full disk.
func TestStore(t *testing.T) {
	t.Parallel()
	disk, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Append(t.Context(), []engine.Entry{{Channel: "news", Data: []byte("1")}}); err != nil {
		t.Fatal(err)
	}
	got := gather(t, disk)
	for _, name := range []string{"wirepost_store_bytes", "wirepost_store_log_bytes", "wirepost_disk_free_bytes", "wirepost_disk_size_bytes"} {
		if got[name] <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	for _, name := range []string{"wirepost_store_tables", "wirepost_store_read_levels", "wirepost_store_compaction_debt_bytes", "wirepost_store_sync_seconds"} {
		if _, ok := got[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	for name := range gather(t, memory.New(memory.Options{})) {
		if strings.HasPrefix(name, "wirepost_store_") || strings.HasPrefix(name, "wirepost_disk_") {
			t.Errorf("a server in memory has %s", name)
		}
	}
}

// gather returns the metrics of a server by name; of histograms 0.
func gather(t *testing.T, e engine.Engine) map[string]float64 {
	t.Helper()
	s, err := wirepost.New(wirepost.Options{Engine: e, VerifyToken: verify, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	registry := client.NewPedanticRegistry()
	registry.MustRegister(prometheus.NewCollector(s))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		all[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	return all
}

func verify(context.Context, string) (wirepost.Identity, error) {
	return wirepost.Identity{}, wirepost.ErrForbidden
}
