package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost/httpapi"
)

// configCommand is `wirepost config`.
type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Print each setting of serve with its origin, secrets masked; exit with status 2 if one is invalid."`
}

// configCheckCommand is `wirepost config check`.
type configCheckCommand struct {
	serveCommand
}

// Run checks what serve checks before it listens, and prints the settings.
func (c *configCheckCommand) Run(t *terminal, k *kong.Context, s *settings) error {
	config := c.config(s)
	if err := config.check(); err != nil {
		return err
	}
	if err := config.try(); err != nil {
		return usageError{err}
	}
	return s.print(t.Out, k, &config)
}

// try makes everything that serve makes of the settings before it listens.
func (c *Config) try() error {
	log := slog.New(slog.DiscardHandler)
	a := &App{Config: *c, Log: log}
	defer a.Close() //nolint:errcheck // nothing was written
	if _, err := a.settle(); err != nil {
		return err
	}
	return a.newServer() // with an engine in memory
}

// print prints the settings.
func (s *settings) print(out io.Writer, k *kong.Context, c *Config) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, setting := range s.effective(k, c) {
		fmt.Fprintf(table, "%s\t%s\t%s\n", setting.Name, printable(setting.Value), printable(setting.Origin))
	}
	return table.Flush()
}

// effective returns the settings with secrets masked, and the policies and endpoints of the
// file.
func (s *settings) effective(k *kong.Context, c *Config) (all []httpapi.Setting) {
	given := map[string]string{}
	for _, p := range k.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag.Name] = "--" + p.Flag.Name
		}
	}
	for _, flag := range k.Selected().Flags {
		if flag.Name == "help" || flag.Hidden {
			continue
		}
		origin := cmp.Or(given[flag.Name], s.origins[flag.Name], byDefault)
		all = append(all, httpapi.Setting{Name: flag.Name, Value: shown(k.FlagValue(flag)), Origin: origin})
	}
	for i, p := range c.Channels {
		origin := byDefault
		if c.Sources != nil {
			origin = strings.TrimSuffix(c.Sources[i], ": channels")
		}
		all = append(all, httpapi.Setting{Name: "channels", Value: showPolicy(p), Origin: origin})
	}
	for _, e := range c.EventsEndpoints {
		all = append(all, httpapi.Setting{Name: "events.endpoints", Value: showEndpoint(e), Origin: s.file.path})
	}
	return all
}

// byDefault is the origin of settings that are left out.
const byDefault = "default"
