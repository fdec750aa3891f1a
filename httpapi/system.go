package httpapi

import (
	"bytes"
	_ "embed"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wirepost/wirepost"
	collector "github.com/wirepost/wirepost/prometheus"
)

// newMetrics serves the server's metrics, and those of the Go runtime and the
// process, from a registry of its own.
func newMetrics(server collector.Source, more []prometheus.Collector, logger *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.NewCollector(server), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(more...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError,
	})
}

// serveMetrics is GET /metrics.
func (a *api) serveMetrics(w http.ResponseWriter, r *request) error {
	a.metrics.ServeHTTP(w, r.Request)
	return nil
}

// healthz is GET /healthz: the process responds, and a restart would not help.
func (a *api) healthz(w http.ResponseWriter, _ *request) error {
	if err := a.srv.Alive(); err != nil {
		return err
	}
	return writeBody(w, http.StatusOK, []byte(`{"status":"ok"}`))
}

// readyz is GET /readyz: the server accepts requests.
func (a *api) readyz(w http.ResponseWriter, _ *request) error {
	if err := a.nodeReady(); err != nil {
		return err // it says more than the server does
	}
	if err := a.srv.Ready(); err != nil {
		return err
	}
	if a.ready != nil {
		if err := a.ready(); err != nil {
			return &wirepost.Error{Code: wirepost.CodeUnavailable, Message: "the server is not ready", Err: err}
		}
	}
	return writeBody(w, http.StatusOK, []byte(`{"status":"ready"}`))
}

//go:embed openapi.json
var openAPIFile []byte

// openAPI is GET /v1/openapi.json.
func (a *api) openAPI(w http.ResponseWriter, _ *request) error {
	return writeBody(w, http.StatusOK, bytes.TrimSpace(openAPIFile))
}
