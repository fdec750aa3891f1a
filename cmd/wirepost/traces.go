package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/otel"
)

// traceSettings are the settings of traces. In the file they are a map, traces.
type traceSettings struct {
	TracesEndpoint traceEndpoint `placeholder:"URL" help:"Send traces of pushes that have a traceparent to this collector (OTLP over HTTP, such as http://127.0.0.1:4318). Default: OTEL_EXPORTER_OTLP_ENDPOINT, if set."`
}

// traceEndpoint is the URL of a collector.
type traceEndpoint string

// tracesPath is where a collector takes traces, as OTLP says.
const tracesPath = "/v1/traces"

func (e *traceEndpoint) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	switch {
	case err != nil:
		return errors.New("it is not a URL") // which may have a secret
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is not an http or https URL, such as http://127.0.0.1:4318", maskURL(string(text)))
	case u.User != nil:
		return errors.New("the URL of a collector has no user: put credentials into OTEL_EXPORTER_OTLP_HEADERS")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("it has a query or a fragment, which a collector does not take")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = tracesPath
	}
	*e = traceEndpoint(u.String())
	return nil
}

// The variables of OpenTelemetry that traces-endpoint is taken from.
const (
	otelTraces   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" // the URL itself
	otelEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"        // without tracesPath
	otelDisabled = "OTEL_SDK_DISABLED"
)

// openTelemetry returns the value of traces-endpoint that OpenTelemetry's own variables have,
// and which one has it.
func (s *settings) openTelemetry() (value, variable string) {
	switch {
	case strings.EqualFold(s.otel[otelDisabled], "true"):
		return "", ""
	case s.otel[otelTraces] != "":
		return s.otel[otelTraces], otelTraces
	case s.otel[otelEndpoint] != "":
		return strings.TrimRight(s.otel[otelEndpoint], "/") + tracesPath, otelEndpoint
	}
	return "", ""
}

// traces sends spans to a collector.
type traces struct{ provider *sdktrace.TracerProvider }

// open starts sending to the collector, if there is one. It does not connect yet. What else
// there is to say (headers, certificates, time-outs, the name of the service) is in
// OpenTelemetry's own variables.
func (c *traceSettings) open(node string, log *slog.Logger) (*traces, error) {
	if c.TracesEndpoint == "" {
		return nil, nil
	}
	sender, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpointURL(string(c.TracesEndpoint)),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: 10 * time.Second,
		}))
	if err != nil {
		return nil, fmt.Errorf("traces-endpoint: %w", err)
	}
	about := []attribute.KeyValue{attribute.String("service.name", "wirepost"), attribute.String("service.version", version())}
	if node != "" {
		about = append(about, attribute.String("service.instance.id", node))
	}
	service, err := resource.Merge(resource.NewSchemaless(about...), resource.Environment())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// At most 2048 spans wait; what comes while they do is dropped.
	return &traces{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&exporter{SpanExporter: sender, endpoint: string(c.TracesEndpoint), log: log}),
		sdktrace.WithResource(service),
	)}, nil
}

// tracer records spans; nil records none.
func (t *traces) tracer() wirepost.Tracer {
	if t == nil {
		return nil
	}
	return otel.NewTracer(t.provider)
}

// close sends what waits, as far as that is possible within a time.
func (t *traces) close(limit time.Duration) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	t.provider.Shutdown(ctx) //nolint:errcheck // the exporter has logged it
}

// exporter logs when the collector takes no spans, and when it does so again.
type exporter struct {
	sdktrace.SpanExporter
	endpoint string
	log      *slog.Logger
	failing  atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.failing.Swap(true):
		e.log.Warn("traces are lost: the collector does not take them", "endpoint", e.endpoint, "error", err)
	case err == nil && e.failing.Swap(false):
		e.log.Info("traces are sent again", "endpoint", e.endpoint)
	}
	return nil // OpenTelemetry would log every one
}
