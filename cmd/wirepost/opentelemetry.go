package main

import (
	"fmt"
	"net/url"
	"strings"
)

// The variables of OpenTelemetry from which settings of traces are taken. Those with the
// namespace of traces come first.
const (
	otelTraces         = otelTracesNamespace + "ENDPOINT" // the URL itself
	otelEndpoint       = otelNamespace + "ENDPOINT"       // without tracesPath
	otelTracesProtocol = otelTracesNamespace + "PROTOCOL"
	otelProtocol       = otelNamespace + "PROTOCOL"
	otelExporter       = "OTEL_TRACES_EXPORTER"
	otelDisabled       = "OTEL_SDK_DISABLED"
	otelPrefix         = "OTEL_"
)

// openTelemetry returns the value that OpenTelemetry's own variables have for a setting, and
// which one has it.
func (s *settings) openTelemetry(setting string) (value, variable string, err error) {
	switch setting {
	case "traces-protocol":
		value, variable = s.otelProtocol()
	case "traces-endpoint":
		return s.otelEndpoint()
	}
	return value, variable, nil
}

func (s *settings) otelProtocol() (value, variable string) {
	for _, name := range []string{otelTracesProtocol, otelProtocol} {
		if s.otel[name] != "" {
			return s.otel[name], name
		}
	}
	return "", ""
}

func (s *settings) otelEndpoint() (value, variable string, err error) {
	exporter := s.otel[otelExporter]
	switch {
	case strings.EqualFold(s.otel[otelDisabled], "true"), exporter == "none":
		return "", "", nil
	case exporter != "" && exporter != "otlp":
		return "", "", &settingError{otelExporter, fmt.Errorf("%q is not supported: use otlp, which sends traces to a collector, or none", exporter)}
	case s.otel[otelTraces] != "":
		return s.otel[otelTraces], otelTraces, nil
	case s.otel[otelEndpoint] != "":
		return signalURL(s.otel[otelEndpoint]), otelEndpoint, nil
	case exporter == "otlp": // on this machine, as OpenTelemetry says
		if protocol, _ := s.otelProtocol(); protocol == string(overGRPC) {
			return "http://localhost:4317", otelExporter, nil
		}
		return "http://localhost:4318", otelExporter, nil
	}
	return "", "", nil
}

// signalURL returns the URL for traces below the URL for all signals.
func signalURL(base string) string {
	if u, err := url.Parse(base); err != nil || strings.Trim(u.Path, "/") == "" {
		return base // the path depends on the protocol
	}
	return strings.TrimRight(base, "/") + tracesPath
}
