package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
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

// print prints the settings, and the policies and endpoints of the file.
func (s *settings) print(out io.Writer, k *kong.Context, c *Config) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
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
		origin := "default"
		if from, ok := given[flag.Name]; ok {
			origin = from
		} else if from, ok := s.origins[flag.Name]; ok {
			origin = from
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", flag.Name, printable(shown(k.FlagValue(flag))), printable(origin))
	}
	for i, p := range c.Channels {
		fmt.Fprintf(table, "channels\t%s\t%s\n", printable(showPolicy(p)), printable(strings.TrimSuffix(c.Sources[i], ": channels")))
	}
	for _, e := range c.EventsEndpoints {
		fmt.Fprintf(table, "events.endpoints\t%s\t%s\n", printable(showEndpoint(e)), printable(s.file.path))
	}
	return table.Flush()
}
