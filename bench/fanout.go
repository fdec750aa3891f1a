package main

import (
	"strconv"
	"time"
)

var fanOut = scenario{
	name:     "fanout",
	question: "What does it cost to deliver a message to one of many connected clients?",
	label:    "in flight",
	columns:  costColumns("delivery", "deliveries"),
	defaults: settings{
		peers: broadcasters, sessions: []int{5000}, inFlight: []int{1, 8}, size: 128, rounds: 5, turn: 1500 * time.Millisecond,
	},
	turn: func(s *settings, name string) ([]row, error) {
		t, err := launch(s, name)
		if err != nil {
			return nil, err
		}
		defer t.stop()
		c, err := t.crowd(s.sessions[0], 0)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		var rows []row
		for _, n := range s.inFlight {
			cost, err := broadcast(s, t, c, n)
			if err != nil {
				return nil, err
			}
			rows = append(rows, cost.row(strconv.Itoa(n)))
		}
		return rows, nil
	},
}
