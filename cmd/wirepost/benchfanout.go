package main

import (
	"context"
	"time"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost/cmd/wirepost/load"
)

// benchFanout is `wirepost bench fanout`.
type benchFanout struct {
	benchFlags
	crowdFlags
	Connections count   `default:"1000" placeholder:"N" help:"Subscribers (default ${default})."`
	Channel     string  `placeholder:"NAME" help:"Channel (default: a new one, emptied at the end)."`
	Size        size    `default:"256" placeholder:"SIZE" help:"Size of a message (default ${default})."`
	InFlight    count   `default:"1" placeholder:"N" help:"Maximum messages that some subscriber has not received yet (default ${default})."`
	Count       count   `placeholder:"N" help:"Stop after this many messages."`
	SlowPercent percent `default:"0" placeholder:"N" help:"Percentage of subscribers that never read (default ${default})."`
}

// Run measures.
func (c *benchFanout) Run(ctx context.Context, t *terminal, k *kong.Context) error {
	p := newBenchProgress(t)
	return c.run(ctx, t, k, &load.Fanout{
		Bench: c.bench(p), Crowd: c.crowd(c.Connections), Channel: c.Channel,
		Size: int(c.Size), InFlight: int(c.InFlight), Duration: time.Duration(c.Duration), Count: int(c.Count),
		SlowPercent: int(c.SlowPercent),
	}, p)
}
