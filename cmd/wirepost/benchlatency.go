package main

import (
	"context"
	"time"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost/cmd/wirepost/load"
)

// benchLatency is `wirepost bench latency`.
type benchLatency struct {
	benchFlags
	crowdFlags
	Connections count  `default:"100" placeholder:"N" help:"Subscribers (default ${default})."`
	Channel     string `placeholder:"NAME" help:"Channel (default: a new one, emptied at the end)."`
	Size        size   `default:"256" placeholder:"SIZE" help:"Size of a message (default ${default})."`
	Rate        rate   `default:"100" placeholder:"N" help:"Messages per second (default ${default})."`
	Count       count  `placeholder:"N" help:"Stop after this many messages."`
}

// Run measures.
func (c *benchLatency) Run(ctx context.Context, t *terminal, k *kong.Context) error {
	p := newBenchProgress(t)
	return c.run(ctx, t, k, &load.Latency{
		Bench: c.bench(p), Crowd: c.crowd(c.Connections), Channel: c.Channel,
		Size: int(c.Size), Rate: float64(c.Rate), Duration: time.Duration(c.Duration), Count: int(c.Count),
	}, p)
}
