package main

import (
	"time"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost/cmd/wirepost/manual"
)

// completionCommand is `wirepost completion`.
type completionCommand struct {
	Shell string `arg:"" help:"bash, zsh or fish."`
}

// Run prints the completions.
func (c *completionCommand) Run(t *terminal, k *kong.Context) error {
	if err := manual.Complete(t.Out, k.Model, c.Shell); err != nil {
		return usageError{err}
	}
	return nil
}

// manCommand is `wirepost man`.
type manCommand struct {
	Date day `hidden:"" default:"1970-01-01" help:"The date of the page."`
}

// day is a date.
type day time.Time

func (d *day) UnmarshalText(text []byte) error {
	at, err := time.Parse(time.DateOnly, string(text))
	*d = day(at)
	return err
}

// Run prints the manual page.
func (c *manCommand) Run(t *terminal, k *kong.Context) error {
	return manual.Page(t.Out, k.Model, version(), time.Time(c.Date))
}
