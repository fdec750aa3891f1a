package main

import (
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
)

var idle = scenario{
	name:     "idle",
	question: "How much memory does a connected user take after receiving one message and then staying idle (-turn)?",
	columns: []column{
		{"live bytes/user", 0}, // heap in use and stacks, after a collection
		{"RSS bytes/user", 0},
		{"goroutines/user", 2},
	},
	defaults: settings{peers: broadcasters, sessions: []int{15_000}, size: 128, turn: 30 * time.Second, rounds: 3},
	turn:     idleTurn,
}

// warmUp is how many clients connect before the first measurement, so that the
// server's fixed costs are not attributed to them.
const warmUp = 100

func idleTurn(s *settings, name string) ([]row, error) {
	t, err := launch(s, name)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	first, err := t.crowd(warmUp, 0)
	if err != nil {
		return nil, err
	}
	defer first.Close()
	before, err := afterOneMessage(s, t, first, 0)
	if err != nil {
		return nil, err
	}
	second, err := t.crowd(s.sessions[0], 0)
	if err != nil {
		return nil, err
	}
	defer second.Close()
	after, err := afterOneMessage(s, t, second, s.turn)
	if err != nil {
		return nil, err
	}
	r := row{}
	for i := range before {
		r.values = append(r.values, float64(after[i]-before[i])/float64(s.sessions[0]))
	}
	return []row{r}, nil
}

// afterOneMessage measures the server's memory after each client has received one
// message and then been idle: a server may free what only active users need.
func afterOneMessage(s *settings, t *target, c *crowd.Crowd, rest time.Duration) (held [3]int64, err error) {
	total := c.Received() + c.Readers()
	if err := t.publish(s.size, 1); err != nil {
		return held, err
	}
	if err := c.WaitFor(total, patience); err != nil {
		return held, err
	}
	if err := t.settle(); err != nil {
		return held, err
	}
	time.Sleep(rest)
	t.profiles.heap(t)
	f, err := t.footprint()
	if err != nil {
		return held, err
	}
	rss, err := t.RSS()
	return [3]int64{f.Live(), rss, int64(f.Goroutines)}, err
}
