package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// settings are the parameters of a scenario. Zero values mean the scenario's
// defaults.
type settings struct {
	peers    []string
	sessions []int
	inFlight []int
	channels []int
	size     int
	messages int
	rate     int // pushes per second
	storm    int // handshakes per second at the same time
	rounds   int
	turn     time.Duration
	dir      string // for stores
	profiles *profiling
}

// scenario measures one question for several servers.
type scenario struct {
	name     string
	question string
	label    string // distinguishes the rows of one peer
	columns  []column
	defaults settings
	// turn measures one server once and must stop it.
	turn func(s *settings, peer string) ([]row, error)
}

// column is a value that a turn measures.
type column struct {
	Name   string
	Digits int
}

// row is the result of one turn for one label, with a value for each column.
type row struct {
	label  string
	values []float64
}

// errSkip reports that a server cannot run here; the others are still measured.
var errSkip = errors.New("skipped")

// broadcasters are the servers that can send to all clients.
var broadcasters = []string{"tcp", "wirepost", "wirepost-pebble", "gws", "melody", "tutorial", "centrifuge", "socketio"}

var scenarios = []scenario{fanOut, scale, idle, connects, slow, pushes, latency, lone, known, present, clusterPush, clusterFanOut, clusterKill}

// complete sets defaults.
func (sc *scenario) complete(s *settings) {
	d := &sc.defaults
	if s.peers == nil {
		s.peers = d.peers
	}
	for _, l := range []struct{ value, zero *[]int }{
		{&s.sessions, &d.sessions},
		{&s.inFlight, &d.inFlight},
		{&s.channels, &d.channels},
	} {
		if *l.value == nil {
			*l.value = *l.zero
		}
	}
	for _, n := range []struct{ value, zero *int }{
		{&s.size, &d.size},
		{&s.messages, &d.messages},
		{&s.rate, &d.rate},
		{&s.rounds, &d.rounds},
	} {
		if *n.value == 0 {
			*n.value = *n.zero
		}
	}
	if s.turn == 0 {
		s.turn = d.turn
	}
}

// measure gives every server its turn, round after round, so that variations of the
// machine's speed affect all of them.
func measure(sc *scenario, s *settings) (*table, error) {
	t := newTable(sc, s)
	skipped := map[string]bool{}
	for round := range s.rounds {
		for _, name := range s.peers {
			if skipped[name] {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s: round %d of %d: %s\n", sc.name, round+1, s.rounds, name)
			rows, err := sc.turn(s, name)
			switch {
			case errors.Is(err, errSkip):
				fmt.Fprintln(os.Stderr, err)
				t.Notes = append(t.Notes, err.Error())
				skipped[name] = true
				continue
			case err != nil:
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			for _, r := range rows {
				t.add(name, r)
			}
		}
	}
	t.finish()
	return t, nil
}
