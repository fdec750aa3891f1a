package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// grpcCollector is a collector of OTLP over gRPC.
type grpcCollector struct {
	collector.UnimplementedTraceServiceServer
	spanCollector
	keys []string // of the requests
}

// Export implements collector.TraceServiceServer.
func (c *grpcCollector) Export(ctx context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, metadata.ValueFromIncomingContext(ctx, "api-key")...)
	c.add(in)
	return &collector.ExportTraceServiceResponse{}, nil
}

// pushTraced pushes a message that is traced, and stops the server when spans were sent.
// OpenTelemetry's variables are those of the process: a test that sets them does not run in
// parallel with others.
func pushTraced(t *testing.T, endpoint string, protocol traceProtocol, sent func() bool) {
	t.Helper()
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	ctx, stop := context.WithCancel(t.Context())
	_, address, done := testApp(t, ctx, func(c *Config) {
		c.TracesEndpoint, c.TracesProtocol = traceEndpoint(endpoint), protocol
	})
	if status, answer := ask(t, "POST", address+"/v1/push/user:42", "", "hi", "Traceparent: "+testParent); status != http.StatusAccepted {
		t.Errorf("%d %s", status, answer)
	}
	eventually(t, "the collector has the spans", sent)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTracesOverGRPC(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "pushes")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20key")
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at, server := &grpcCollector{}, grpc.NewServer()
	collector.RegisterTraceServiceServer(server, at)
	go server.Serve(listener) //nolint:errcheck // it ends with Stop
	t.Cleanup(server.Stop)
	pushTraced(t, "http://"+listener.Addr().String(), overGRPC, func() bool {
		spans := at.byName()
		return spans["push"] != nil && spans["append"] != nil
	})
	if at.service != "pushes" || at.keys[0] != "a key" {
		t.Errorf("the service is %q, the key %q", at.service, at.keys)
	}
}

func TestSampler(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	at := newSpanCollector(t)
	pushTraced(t, at.URL, overHTTP, func() bool { return true })
	if spans := at.byName(); len(spans) > 0 {
		t.Errorf("spans: %v", spans)
	}
}

func TestTracesAsJSON(t *testing.T) {
	var contentType atomic.Value
	at := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { contentType.Store(r.Header.Get("Content-Type")) }))
	t.Cleanup(at.Close)
	pushTraced(t, at.URL, withJSON, func() bool { return contentType.Load() == "application/json" })
}

// TestOpenTelemetryVariables: what the library would only print is an error that names the
// variable, and no secret.
func TestOpenTelemetryVariables(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, value, fails string }{
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=1, b=%20secret", ""},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=1,secret", "header 2 is not of the form name=value"},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=secret%zz", "header 1 is not"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "header 1 is not"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "1500", ""},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", `"10s" is not a number of milliseconds`},
		{"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", ""},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", `"zstd" is not one of gzip, none`},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", empty, "has no certificate in PEM"},
		{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", empty + "x", "empty.pemx"},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", empty, "only one of them is set"},
		{"OTEL_TRACES_SAMPLER", "parentbased_traceidratio", ""},
		{"OTEL_TRACES_SAMPLER", "sometimes", `"sometimes" is not one of always_on`},
		{"OTEL_TRACES_SAMPLER_ARG", "0.25", ""},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN", `"NaN" is not a number from 0 to 1`},
	} {
		err := checkOpenTelemetry(func(name string) string { return map[string]string{tt.name: tt.value}[name] })
		switch {
		case tt.fails == "" && err != nil:
			t.Errorf("%s=%s: %v", tt.name, tt.value, err)
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.name) || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s=%s: %v, want %s", tt.name, tt.value, err, tt.fails)
		}
	}
}

func TestTracesProtocol(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environ []string
		file    string
		want    traceProtocol
		origin  string
		fails   string
	}{
		"default":       {want: overHTTP},
		"file":          {file: "traces: {protocol: http/json}\n", environ: []string{otelProtocol + "=grpc"}, want: withJSON},
		"OpenTelemetry": {environ: []string{otelProtocol + "=grpc"}, want: overGRPC, origin: otelProtocol},
		"for traces":    {environ: []string{otelProtocol + "=grpc", otelTracesProtocol + "=http/protobuf"}, want: overHTTP, origin: otelTracesProtocol},
		"unknown":       {environ: []string{otelProtocol + "=thrift"}, fails: otelProtocol + `: "thrift" is not a protocol of traces: use http/protobuf, http/json or grpc`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, s, err := parse(t, []string{"serve", "--config=FILE"}, tt.environ, tt.file)
			switch {
			case tt.fails != "":
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("%v, want %s", err, tt.fails)
				}
			case err != nil:
				t.Error(err)
			case g.Serve.TracesProtocol != tt.want || tt.origin != "" && s.origins["traces-protocol"] != tt.origin:
				t.Errorf("%q from %q, want %q from %q", g.Serve.TracesProtocol, s.origins["traces-protocol"], tt.want, tt.origin)
			}
		})
	}
}

func TestTracesEndpoint(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args, environ []string
		file          string
		want, origin  string
		fails         string
	}{
		"none":           {},
		"flag":           {args: []string{"--traces-endpoint=http://127.0.0.1:4318"}, want: "http://127.0.0.1:4318"},
		"with a path":    {args: []string{"--traces-endpoint=https://otlp.example/otlp/v1/traces"}, want: "https://otlp.example/otlp/v1/traces"},
		"file":           {file: "traces:\n  endpoint: http://a:1\n", environ: []string{otelEndpoint + "=http://b:1"}, want: "http://a:1"},
		"OpenTelemetry":  {environ: []string{otelEndpoint + "=http://b:1/base/"}, want: "http://b:1/base/v1/traces", origin: otelEndpoint},
		"for traces":     {environ: []string{otelEndpoint + "=http://b:1", otelTraces + "=http://c:1/x"}, want: "http://c:1/x", origin: otelTraces},
		"own variable":   {environ: []string{otelEndpoint + "=http://b:1", "WIREPOST_TRACES_ENDPOINT=http://d:1"}, want: "http://d:1", origin: "WIREPOST_TRACES_ENDPOINT"},
		"all signals":    {environ: []string{otelEndpoint + "=http://b:1"}, want: "http://b:1", origin: otelEndpoint},
		"not exported":   {environ: []string{otelEndpoint + "=http://b:1", otelExporter + "=none"}},
		"exported":       {environ: []string{otelExporter + "=otlp"}, want: "http://localhost:4318", origin: otelExporter},
		"over gRPC":      {environ: []string{otelExporter + "=otlp", otelProtocol + "=grpc"}, want: "http://localhost:4317", origin: otelExporter},
		"own setting":    {args: []string{"--traces-endpoint=http://a:1"}, environ: []string{otelExporter + "=none"}, want: "http://a:1"},
		"another way":    {environ: []string{otelExporter + "=otlp,console"}, fails: otelExporter + `: "otlp,console" is not supported: use otlp`},
		"disabled":       {environ: []string{otelEndpoint + "=http://b:1", otelDisabled + "=true"}},
		"no URL":         {args: []string{"--traces-endpoint=u:secret@b:4318"}, fails: "it is not an http or https URL, such as http"},
		"a user":         {file: "traces.endpoint: https://u:secret@b\n", fails: "wirepost.yml:1: traces-endpoint: the URL of a collector has no user"},
		"its variable":   {environ: []string{otelEndpoint + "=grpc://b:1"}, fails: otelEndpoint + ": it is not an http or https URL"},
		"a bad escape":   {args: []string{"--traces-endpoint=http://u:%zzsecret@b"}, fails: "is not an http or https URL"},
		"another scheme": {args: []string{"--traces-endpoint=grpc://u:secret@b"}, fails: "is not an http or https URL"},
		"a query":        {args: []string{"--traces-endpoint=http://a/?key=secret@"}, fails: "has a query"},
		"unknown in map": {file: "traces:\n  endpunkt: x\n", fails: "did you mean traces-endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, s, err := parse(t, append([]string{"serve", "--config=FILE"}, tt.args...), tt.environ, tt.file)
			switch {
			case tt.fails != "":
				if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "secret@") {
					t.Errorf("%v, want %s", err, tt.fails)
				}
			case err != nil:
				t.Error(err)
			case string(g.Serve.TracesEndpoint) != tt.want || tt.origin != "" && s.origins["traces-endpoint"] != tt.origin:
				t.Errorf("%q from %q, want %q from %q", g.Serve.TracesEndpoint, s.origins["traces-endpoint"], tt.want, tt.origin)
			}
		})
	}
}
