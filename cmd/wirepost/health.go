package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// healthCommand is `wirepost health`.
type healthCommand struct {
	target
	Ready   bool     `help:"Ask for /readyz: whether the server accepts pushes, not only whether it needs a restart."`
	Timeout duration `default:"5s" placeholder:"TIME" help:"How long to wait for the response (default ${default})."`
}

// Run asks the server once.
func (c *healthCommand) Run(ctx context.Context, t *terminal) error {
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Timeout))
	defer cancel()
	err := c.Server.ask(ctx, http.MethodGet, path, nil, "", func(body io.Reader) error {
		_, err := io.Copy(io.Discard, io.LimitReader(body, 1<<20))
		return err
	})
	if err != nil {
		return fmt.Errorf("health: %w", printableError(err))
	}
	_, err = fmt.Fprintln(t.Out, "ok")
	return err
}
