package main

import (
	"fmt"
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
	"github.com/wirepost/wirepost/bench/proc"
)

// cost is the CPU time of a number of operations.
type cost struct {
	operations     int
	server, client time.Duration // CPU time
	wall           time.Duration
}

// costColumns are the values of cost.row.
func costColumns(operation, operations string) []column {
	return []column{
		{"server µs/" + operation, 2},
		{"client µs/" + operation, 2},
		{"server ÷ client", 2},
		{operations + "/s", 0},
	}
}

func (c *cost) row(label string) row {
	n := float64(c.operations)
	return row{label, []float64{
		float64(c.server.Nanoseconds()) / 1e3 / n,
		float64(c.client.Nanoseconds()) / 1e3 / n,
		float64(c.server) / float64(max(c.client, 1)),
		n / c.wall.Seconds(),
	}}
}

// meter measures the CPU time of a server and of this process.
func meter(t *target, work func() (operations int, err error)) (*cost, error) {
	server, err := t.CPU()
	if err != nil {
		return nil, err
	}
	defer t.profiles.cpu(t)()
	client, begun := proc.SelfCPU(), time.Now()
	n, err := work()
	if err != nil {
		return nil, fmt.Errorf("%w; the server logged %q", err, t.Stderr())
	}
	c := &cost{operations: n, client: proc.SelfCPU() - client, wall: time.Since(begun)}
	after, err := t.CPU()
	c.server = after - server
	return c, err
}

// broadcast sends messages to all clients for one turn: inflight at a time, and the
// next ones when all have arrived.
func broadcast(s *settings, t *target, c *crowd.Crowd, inFlight int) (*cost, error) {
	burst := func() error {
		total := c.Received() + inFlight*c.Readers()
		if err := t.publish(s.size, inFlight); err != nil {
			return err
		}
		return c.WaitFor(total, patience)
	}
	for range 3 { // buffers grow, pools fill
		if err := burst(); err != nil {
			return nil, err
		}
	}
	return meter(t, func() (deliveries int, err error) {
		for begun := time.Now(); time.Since(begun) < s.turn; {
			if err := burst(); err != nil {
				return 0, err
			}
			deliveries += inFlight * c.Readers()
		}
		return deliveries, nil
	})
}
