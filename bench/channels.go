package main

import (
	"fmt"
	"strconv"
)

// known is the scenario with many channels that have no subscribers.
var known = scenario{
	name:     "channels",
	question: "Does a push cost more with more channels? 64 publishers in the process push to random channels.",
	label:    "channels",
	columns:  []column{{"server µs/push", 2}, {"pushes/s", 0}, {"RSS MiB", 0}},
	defaults: settings{
		peers: []string{"wirepost-pebble"}, channels: []int{1000, 100_000, 1_000_000}, messages: 1_000_000, rounds: 3,
	},
	turn: func(s *settings, name string) ([]row, error) {
		t, err := launch(s, name)
		if err != nil {
			return nil, err
		}
		defer t.stop()
		var rows []row
		from := 0
		for _, to := range s.channels {
			if err := t.ask("POST", fmt.Sprintf("/debug/fill?from=%d&to=%d", from, to), nil); err != nil {
				return nil, err
			}
			from = to
			r, err := scatter(s, t, to)
			if err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
		return rows, nil
	},
}

func scatter(s *settings, t *target, channels int) (r row, err error) {
	if err := t.settle(); err != nil { // compactions after filling
		return r, err
	}
	cost, err := meter(t, func() (int, error) {
		return s.messages, t.ask("POST", fmt.Sprintf("/debug/scatter?channels=%d&pushes=%d", channels, s.messages), nil)
	})
	if err != nil {
		return r, err
	}
	rss, err := t.RSS()
	if err != nil {
		return r, err
	}
	s.profiles.heap(t)
	all := cost.row("").values
	return row{strconv.Itoa(channels), []float64{all[0], all[3], float64(rss) / (1 << 20)}}, nil
}
