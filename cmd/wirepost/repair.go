package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine/pebble"
)

// checkCommand is `wirepost check`.
type checkCommand struct {
	Dir  string `arg:"" placeholder:"DIR" help:"The data directory."`
	JSON bool   `name:"json" help:"Print the report as JSON."`
}

// errDamaged is returned after the report has been printed.
var errDamaged = errors.New("the store is damaged")

// Run verifies a store.
func (c *checkCommand) Run(t *terminal) error {
	r, err := pebble.Check(vfs.Default, c.Dir)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if err := t.report(r, c.JSON); err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("%w; `wirepost salvage %s OUT` writes a new store with everything readable", errDamaged, c.Dir)
	}
	return nil
}

// salvageCommand is `wirepost salvage`.
type salvageCommand struct {
	Dir  string `arg:"" placeholder:"DIR" help:"The damaged data directory; it is not changed."`
	Out  string `arg:"" placeholder:"OUT" help:"The directory for the new store: empty or missing."`
	JSON bool   `name:"json" help:"Print the report as JSON."`
}

// Run writes a new store.
func (c *salvageCommand) Run(t *terminal) error {
	r, err := pebble.Salvage(vfs.Default, c.Dir, c.Out)
	if err != nil {
		return fmt.Errorf("salvage: %w", err)
	}
	if err := t.report(r, c.JSON); err != nil {
		return err
	}
	if !c.JSON {
		fmt.Fprintf(t.Out, "written to %s\n", c.Out)
	}
	return nil
}

// report prints a report.
func (t *terminal) report(r *pebble.Report, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(t.Out).Encode(r)
	}
	fmt.Fprintf(t.Out, "channels %d, records %d, users %d, epoch %s\n", r.Channels, r.Records, r.Users, r.Epoch)
	for _, d := range r.Damage {
		fmt.Fprintln(t.Out, "damaged:", d)
	}
	for _, l := range r.Lost {
		fmt.Fprintln(t.Out, "lost:", &l)
	}
	if r.OK() {
		fmt.Fprintln(t.Out, "nothing is damaged or missing")
	}
	return nil
}
