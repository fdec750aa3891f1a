package main

var connects = scenario{
	name:     "connect",
	question: "What does it cost to let a client in? 64 handshakes are under way at a time.",
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
		cost, err := meter(t, func() (int, error) {
			c, err := t.crowd(s.sessions[0], 0)
			if err == nil {
				defer c.Close()
			}
			return s.sessions[0], err
		})
		if err != nil {
			return nil, err
		}
		return []row{cost.row("")}, nil
	},
}
