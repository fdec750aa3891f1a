package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
)

// release and commit are of a released program, whose build sets them with
// -ldflags "-X main.release=v1.2.3 -X main.commit=…".
var release, commit string

// version returns the version of the program: of the release, or of the module, as
// `go install` and `go build` record it.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// revision returns the commit that the program was built from, if it is recorded.
func revision() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// buildInfo is the metric that has the version as a label.
func buildInfo() prometheus.Collector {
	m := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "wirepost_build_info", Help: "The version of the program; the value is always 1.",
		ConstLabels: prometheus.Labels{"version": version(), "revision": revision(), "goversion": runtime.Version()},
	})
	m.Set(1)
	return m
}

// versionCommand is `wirepost version`.
type versionCommand struct{}

// Run prints the version and how the program was built.
func (versionCommand) Run(t *terminal) error {
	of := ""
	if r := revision(); r != "" {
		of = " commit " + r
	}
	_, err := fmt.Fprintf(t.Out, "wirepost %s%s %s %s/%s\n", version(), of, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// helpCommand is `wirepost help`.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command."`
}

// Run prints the help of a command.
func (c helpCommand) Run(k *kong.Context) error {
	if _, err := k.Kong.Parse(append(c.Command, "--help")); err != nil {
		return usagef("%w (see wirepost --help)", err)
	}
	return nil
}
