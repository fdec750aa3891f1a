package main

import "github.com/wirepost/wirepost/bench/crowd"

var connects = scenario{
	name:     "connect",
	question: "What does it cost to connect and subscribe a client? 64 handshakes run concurrently.",
	columns:  costColumns("handshake", "handshakes"),
	defaults: settings{peers: broadcasters, sessions: []int{5000}, rounds: 5},
	turn: func(s *settings, name string) ([]row, error) {
		t, err := launch(s, name)
		if err != nil {
			return nil, err
		}
		defer t.stop()
		first, err := t.crowd(min(warmUp, s.sessions[0]), 0)
		if err != nil {
			return nil, err
		}
		defer first.Close()
		var all *crowd.Crowd // closed after the measurement
		cost, err := meter(t, func() (_ int, err error) {
			all, err = t.crowd(s.sessions[0], 0)
			return s.sessions[0], err
		})
		if err != nil {
			return nil, err
		}
		defer all.Close()
		return []row{cost.row("")}, nil
	},
}
