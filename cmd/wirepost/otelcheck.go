package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// The namespaces of the variables about sending.
const (
	otelNamespace       = "OTEL_EXPORTER_OTLP_"
	otelTracesNamespace = "OTEL_EXPORTER_OTLP_TRACES_"
)

// otelChecks are the variables that OpenTelemetry's library reads. It would only print what
// is wrong with them, headers with their values, and go on without.
var otelChecks = []struct {
	names []string
	check func(value string) error
}{
	{otelBoth("HEADERS"), checkHeaders},
	{otelBoth("TIMEOUT"), checkMilliseconds},
	{otelBoth("CERTIFICATE"), checkCertificates},
	{otelBoth("COMPRESSION"), oneOf("gzip", "none")},
	{[]string{"OTEL_TRACES_SAMPLER"}, oneOf("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")},
	{[]string{"OTEL_TRACES_SAMPLER_ARG"}, checkRatio},
}

// otelBoth returns the variable for all signals and the one for traces.
func otelBoth(name string) []string {
	return []string{otelNamespace + name, otelTracesNamespace + name}
}

// checkOpenTelemetry checks the variables that OpenTelemetry's library reads.
func checkOpenTelemetry(getenv func(string) string) error {
	for _, c := range otelChecks {
		for _, name := range c.names {
			if value := strings.TrimSpace(getenv(name)); value != "" {
				if err := c.check(value); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	for i, certificate := range otelBoth("CLIENT_CERTIFICATE") {
		key := otelBoth("CLIENT_KEY")[i]
		if err := checkKeyPair(getenv(certificate), getenv(key)); err != nil {
			return fmt.Errorf("%s and %s: %w", certificate, key, err)
		}
	}
	return nil
}

// checkHeaders checks name=value,…. Errors do not contain values.
func checkHeaders(value string) error {
	for i, header := range strings.Split(value, ",") {
		name, text, found := strings.Cut(header, "=")
		if _, err := url.PathUnescape(text); !found || err != nil || !httpguts.ValidHeaderFieldName(strings.TrimSpace(name)) {
			return fmt.Errorf("header %d is not of the form name=value, with %% escapes in the value", i+1)
		}
	}
	return nil
}

func checkMilliseconds(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n <= 0 {
		return fmt.Errorf("%q is not a number of milliseconds", value)
	}
	return nil
}

func checkRatio(value string) error {
	if ratio, err := strconv.ParseFloat(value, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		return fmt.Errorf("%q is not a number from 0 to 1", value)
	}
	return nil
}

func checkCertificates(file string) error {
	text, err := os.ReadFile(file)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		err = fmt.Errorf("%s has no certificate in PEM", file)
	}
	return err
}

func checkKeyPair(certificate, key string) error {
	if cmp.Or(certificate, key) == "" {
		return nil
	}
	if certificate == "" || key == "" {
		return errors.New("only one of them is set")
	}
	_, err := tls.LoadX509KeyPair(certificate, key)
	return err
}

// oneOf returns a check that a value is one of a list.
func oneOf(values ...string) func(string) error {
	return func(value string) error {
		if !slices.Contains(values, strings.ToLower(value)) {
			return fmt.Errorf("%q is not one of %s", value, strings.Join(values, ", "))
		}
		return nil
	}
}
