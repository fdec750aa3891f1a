package main

import (
	"context"
	"time"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost/cmd/wirepost/load"
)

// benchIdle is `wirepost bench idle`.
type benchIdle struct {
	benchFlags
	crowdFlags
	Connections count    `default:"1000" placeholder:"N" help:"Number of users, each with one connection (default ${default})."`
	Settle      duration `default:"30s" placeholder:"TIME" help:"Pause between connecting and measuring (default ${default})."`
}

// Run measures.
func (c *benchIdle) Run(ctx context.Context, t *terminal, k *kong.Context) error {
	p := newBenchProgress(t)
	return c.run(ctx, t, k, &load.Idle{
		Bench: c.bench(p), Crowd: c.crowd(c.Connections),
		Settle: time.Duration(c.Settle), Duration: time.Duration(c.Duration),
	}, p)
}
