package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/otel"
)

// traceSettings are the settings of traces. In the file they are a map, traces.
type traceSettings struct {
	TracesEndpoint traceEndpoint `placeholder:"URL" help:"Send traces of pushes that have a traceparent to this collector (OTLP, such as http://127.0.0.1:4318). Default: OTEL_EXPORTER_OTLP_ENDPOINT, if set."`
	TracesProtocol traceProtocol `default:"http/protobuf" placeholder:"NAME" help:"What the collector speaks: http/protobuf, http/json or grpc (default: OTEL_EXPORTER_OTLP_PROTOCOL, or ${default})."`
}

// traceEndpoint is the URL of a collector.
type traceEndpoint string

// tracesPath is where a collector takes traces over HTTP, as OTLP says.
const tracesPath = "/v1/traces"

func (e *traceEndpoint) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("it is not an http or https URL, such as http://127.0.0.1:4318") // there may be a secret in it
	case u.User != nil:
		return errors.New("the URL of a collector has no user: put credentials into OTEL_EXPORTER_OTLP_HEADERS")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("it has a query or a fragment, which a collector does not take")
	}
	*e = traceEndpoint(u.String())
	return nil
}

// overHTTP returns the URL of requests over HTTP.
func (e traceEndpoint) overHTTP() string {
	u, err := url.Parse(string(e))
	if err == nil && strings.Trim(u.Path, "/") == "" {
		u.Path = tracesPath
		return u.String()
	}
	return string(e)
}

// traceProtocol is a protocol of OTLP.
type traceProtocol string

// The protocols, by their names in OpenTelemetry.
const (
	overHTTP traceProtocol = "http/protobuf"
	withJSON traceProtocol = "http/json"
	overGRPC traceProtocol = "grpc"
)

func (p *traceProtocol) UnmarshalText(text []byte) error {
	switch is := traceProtocol(text); is {
	case overHTTP, withJSON, overGRPC:
		*p = is
		return nil
	}
	return fmt.Errorf("%q is not a protocol of traces: use %s, %s or %s", text, overHTTP, withJSON, overGRPC)
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
	if err := checkOpenTelemetry(os.Getenv); err != nil {
		return nil, err
	}
	sender, err := c.sender(context.Background())
	if err != nil {
		return nil, fmt.Errorf("traces-endpoint: %w", err)
	}
	about := []attribute.KeyValue{attribute.String("service.name", "wirepost"), attribute.String("service.version", version())}
	if node != "" {
		about = append(about, attribute.String("service.instance.id", node))
	}
	service, err := resource.New(context.Background(), resource.WithAttributes(about...), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	// At most 2048 spans wait; what comes while they do is dropped.
	return &traces{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&exporter{SpanExporter: sender, endpoint: string(c.TracesEndpoint), log: log}),
		sdktrace.WithResource(service),
	)}, nil
}

// sender returns what sends spans with the protocol.
func (c *traceSettings) sender(ctx context.Context) (*otlptrace.Exporter, error) {
	again := otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: 10 * time.Second,
	}
	if c.TracesProtocol == overGRPC {
		return otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(string(c.TracesEndpoint)), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig(again)))
	}
	encoding := otlptracehttp.EncodingProtobuf
	if c.TracesProtocol == withJSON {
		encoding = otlptracehttp.EncodingJSON
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.TracesEndpoint.overHTTP()), otlptracehttp.WithEncoding(encoding), otlptracehttp.WithRetry(again))
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
