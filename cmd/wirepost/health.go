package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
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
	address, dialUnix, err := dial.Unix(c.Server.at(path, nil))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	server := &http.Client{Transport: dial.Transport(dialUnix)}
	defer server.CloseIdleConnections()
	response, err := server.Do(r)
	if err != nil {
		return fmt.Errorf("health: %w", wordDialError(err))
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %w", printableError(readRefusal(response, body)))
	}
	_, err = fmt.Fprintln(t.Out, "ok")
	return err
}
