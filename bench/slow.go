package main

import (
	"fmt"
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
)

var slow = scenario{
	name:     "slow",
	question: "How do clients that never read affect the others, and the server's memory?",
	label:    "never read",
	columns: []column{
		{"p50 ms", 2},
		{"p99 ms", 2},
		{"max ms", 1},
		{"RSS grew by MiB", 1},
		{"non-readers dropped", 0},
	},
	defaults: settings{
		peers:    []string{"wirepost", "wirepost-pebble", "gws", "melody", "tutorial", "centrifuge", "socketio"},
		sessions: []int{250}, size: 16 << 10, messages: 1000, rounds: 3,
	},
	turn: func(s *settings, name string) ([]row, error) {
		var rows []row
		for _, deaf := range []int{0, max(1, s.sessions[0]/10)} {
			r, err := slowTurn(s, name, deaf)
			if err != nil {
				return nil, err
			}
			r.label = fmt.Sprintf("%d of %d", deaf, s.sessions[0])
			rows = append(rows, r)
		}
		return rows, nil
	},
}

func slowTurn(s *settings, name string, deaf int) (r row, err error) {
	t, err := launch(s, name)
	if err != nil {
		return r, err
	}
	defer t.stop()
	c, err := t.crowd(s.sessions[0], deaf)
	if err != nil {
		return r, err
	}
	defer c.Close()
	before, err := t.RSS()
	if err != nil {
		return r, err
	}
	if err := oneByOne(s, t, c); err != nil {
		return r, err
	}
	after, err := t.RSS()
	if err != nil {
		return r, err
	}
	online, err := t.online()
	if err != nil {
		return r, err
	}
	q := quantiles(c.Latencies())
	return row{values: []float64{
		q[0], q[1], q[3], float64(after-before) / (1 << 20), float64(s.sessions[0] - online),
	}}, nil
}

// oneByOne sends each message when all readers have the previous one, but at least a
// moment later: on a machine that is never idle, the result would otherwise only
// show the order in which clients are served.
func oneByOne(s *settings, t *target, c *crowd.Crowd) error {
	const pause = 2 * time.Millisecond
	for range s.messages {
		total := c.Received() + c.Readers()
		c.Mark()
		if err := t.publish(s.size, 1); err != nil {
			return err
		}
		if err := c.WaitFor(total, patience); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}
