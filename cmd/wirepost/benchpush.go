package main

import (
	"context"
	"time"

	"github.com/alecthomas/kong"

	"github.com/wirepost/wirepost/cmd/wirepost/load"
)

// benchPush is `wirepost bench push`.
type benchPush struct {
	benchFlags
	Publishers count `default:"64" placeholder:"N" help:"Concurrent connections that push (default ${default})."`
	Single     bool  `xor:"how" help:"One POST per message (the default)."`
	NDJSON     bool  `name:"ndjson" xor:"how" help:"One NDJSON stream per connection."`
	InFlight   count `default:"64" placeholder:"N" help:"With --ndjson, pushes of a stream without a result yet (default ${default})."`
	Channels   count `default:"1000" placeholder:"N" help:"Inboxes to push to, emptied at the end (default ${default})."`
	Size       size  `default:"256" placeholder:"SIZE" help:"Size of a message (default ${default})."`
	Count      count `placeholder:"N" help:"Stop after this many messages."`
}

// Run measures.
func (c *benchPush) Run(ctx context.Context, t *terminal, k *kong.Context) error {
	p := newBenchProgress(t)
	return c.run(ctx, t, k, &load.Push{
		Bench: c.bench(p), Publishers: int(c.Publishers), Streams: c.NDJSON, InFlight: int(c.InFlight),
		Channels: int(c.Channels), Size: int(c.Size), Duration: time.Duration(c.Duration), Count: int(c.Count),
	}, p)
}
