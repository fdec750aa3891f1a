package main

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
)

// The peers of push are named for a server and the way of pushing to it.
const (
	pushTutorial     = "tutorial"
	pushNchan        = "nchan"
	pushMemory       = "wirepost-serve-memory"
	pushMemoryClient = "wirepost-serve-memory-client"
	pushDurable      = "wirepost-serve"
	pushLines        = "wirepost-serve-ndjson"
	pushClient       = "wirepost-serve-client"
)

var pushes = scenario{
	name: "push",
	question: "What does it cost to push to one connected user over HTTP, each time to a random one? The tutorial stores nothing. " +
		"wirepost serve stores the message on disk before it responds (except with -memory), and its clients acknowledge it.",
	label:   "in flight",
	columns: costColumns("push", "pushes"),
	defaults: settings{
		peers: []string{pushTutorial, pushNchan, pushMemory, pushDurable, pushClient, pushLines}, sessions: []int{1000},
		inFlight: []int{1, 64}, size: 128, rounds: 5, turn: 2 * time.Second,
	},
	turn: func(s *settings, name string) ([]row, error) {
		t, err := launchPush(s, name)
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
			cost, err := pushFor(s, t, c, name, n)
			if err != nil {
				return nil, err
			}
			rows = append(rows, cost.row(fmt.Sprint(n)))
		}
		return rows, nil
	},
}

func launchPush(s *settings, name string) (*target, error) {
	if name == pushTutorial {
		return launch(s, name)
	}
	if name == pushNchan {
		cmd, err := nchan(s.dir)
		if err != nil {
			return nil, err
		}
		return start(s, name, cmd, crowd.Dialect{})
	}
	engine := "pebble"
	if name == pushMemory || name == pushMemoryClient {
		engine = "memory"
	}
	cmd, err := serveCommand(engine)
	if err != nil {
		return nil, err
	}
	return start(s, name, cmd, crowd.Dialect{Path: func(i int) string {
		return "/ws?token=" + token(fmt.Sprintf("u%d", i))
	}})
}

// pushFor pushes for one turn over inflight concurrent connections, and waits until
// everything has arrived.
func pushFor(s *settings, t *target, c *crowd.Crowd, name string, inFlight int) (*cost, error) {
	round := func(turn time.Duration) (int, error) {
		begin := c.Received()
		n, err := pushAway(s, t, name, inFlight, turn)
		if err != nil {
			return 0, err
		}
		return n, c.WaitFor(begin+n, patience)
	}
	if _, err := round(s.turn / 10); err != nil {
		return nil, err
	}
	return meter(t, func() (int, error) { return round(s.turn) })
}

// anyUser returns a random user. Users in a row would be neighbors in all tables of a
// server, whose entries are then in the processor's caches already.
func (s *settings) anyUser() int { return rand.IntN(s.sessions[0]) }

// pushAway returns the number of messages pushed.
func pushAway(s *settings, t *target, name string, inFlight int, turn time.Duration) (int, error) {
	switch name {
	case pushLines:
		return pushNDJSON(t, s, inFlight, turn)
	case pushClient, pushMemoryClient:
		return pushBackend(t, s, inFlight, turn)
	}
	var done atomic.Int64
	end := time.Now().Add(turn)
	err := together(inFlight, func(int) error {
		p, err := dialPoster(t.Address)
		if err != nil {
			return err
		}
		defer p.close()
		for time.Now().Before(end) {
			path, body := pushRequest(name, s.anyUser(), s.size)
			if err := p.post(path, body); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return int(done.Load()), err
}
