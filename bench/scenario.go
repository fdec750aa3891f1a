package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// settings are what a scenario can be told. Zero values are the scenario's own.
type settings struct {
	peers    []string
	sessions []int
	inFlight []int
	channels []int
	size     int
	messages int
	rounds   int
	turn     time.Duration
	dir      string // for stores
	profiles *profiling
}

// scenario is one question asked of several servers.
type scenario struct {
	name     string
	question string
	label    string // what tells the rows of one peer apart
	columns  []column
	defaults settings
	// turn asks one server once, and owes it a stop.
	turn func(s *settings, peer string) ([]row, error)
}

// column is a number that a turn yields.
type column struct {
	Name   string
	Digits int
}

// row is what one turn yields for one label, a value for each column.
type row struct {
	label  string
	values []float64
}

// errSkip says that a peer cannot run here; the others go on.
var errSkip = errors.New("skipped")

// broadcasters are all who can send to everyone.
var broadcasters = []string{"tcp", "wirepost", "wirepost-pebble", "gws", "melody", "tutorial", "centrifuge", "socketio"}

var scenarios = []scenario{fanOut, scale, idle, connects, slow, pushes, known}

// complete fills in what was not asked for.
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

// measure gives every peer its turn, round after round, so that a machine that
// drifts does so for all of them.
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
