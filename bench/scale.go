package main

import (
	"strconv"
	"time"
)

var scale = scenario{
	name:     "scale",
	question: "Does a delivery cost more with more connections?",
	label:    "connections",
	columns:  append(costColumns("delivery", "deliveries"), column{"live bytes/connection", 0}),
	defaults: settings{
		peers: []string{"tcp", "wirepost"}, sessions: []int{100, 1000, 5000, 15_000}, size: 128, rounds: 3, turn: time.Second,
	},
	turn: func(s *settings, name string) ([]row, error) {
		var rows []row
		for _, sessions := range s.sessions {
			r, err := scaleTurn(s, name, sessions)
			if err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
		return rows, nil
	},
}

func scaleTurn(s *settings, name string, sessions int) (r row, err error) {
	t, err := launch(s, name)
	if err != nil {
		return r, err
	}
	defer t.stop()
	before, err := t.footprint()
	if err != nil {
		return r, err
	}
	c, err := t.crowd(sessions, 0)
	if err != nil {
		return r, err
	}
	defer c.Close()
	cost, err := broadcast(s, t, c, 1)
	if err != nil {
		return r, err
	}
	after, err := t.footprint()
	if err != nil {
		return r, err
	}
	r = cost.row(strconv.Itoa(sessions))
	r.values = append(r.values, float64(after.Live()-before.Live())/float64(sessions))
	return r, nil
}
