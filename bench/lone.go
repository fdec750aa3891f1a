package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost/bench/peer"
)

// lone takes turns between its three operations for every push, so that they meet the same
// machine.
var lone = scenario{
	name: "lone",
	question: "How long does a lone durable push take until its response, compared with what it cannot do without: a write and an fdatasync on the same disk, " +
		"and a request to an empty net/http handler? One of each after the other.",
	label: "users",
	columns: []column{
		{"write and sync, p50 ms", 3},
		{"empty request, p50 ms", 3},
		{"push, p50 ms", 3},
		{"push, p99 ms", 2},
		{"push ÷ (sync + request)", 2},
	},
	defaults: settings{
		peers: []string{pushDurable}, sessions: []int{1000}, size: 128, rounds: 5, turn: 5 * time.Second,
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
		e, err := launch(s, peer.Empty)
		if err != nil {
			return nil, err
		}
		defer e.stop()
		sync, request, push, err := loneTurn(s, t, e)
		if err != nil {
			return nil, err
		}
		if err := c.WaitFor(len(push), patience); err != nil {
			return nil, err
		}
		most := quantiles(push)
		least := []float64{quantiles(sync)[0], quantiles(request)[0]}
		return []row{{fmt.Sprint(s.sessions[0]), []float64{least[0], least[1], most[0], most[1], most[0] / (least[0] + least[1])}}}, nil
	},
}

// loneTurn returns the times that the three operations took, sorted.
func loneTurn(s *settings, server, empty *target) (sync, request, push []time.Duration, err error) {
	f, err := newSyncFile(s.dir)
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.close()
	to, err := dialPoster(server.Address)
	if err != nil {
		return nil, nil, nil, err
	}
	defer to.close()
	none, err := dialPoster(empty.Address)
	if err != nil {
		return nil, nil, nil, err
	}
	defer none.close()
	data := make([]byte, s.size)
	for end := time.Now().Add(s.turn); time.Now().Before(end); {
		path, body := pushRequest(server.name, s.anyUser(), s.size)
		for _, op := range []struct {
			took *[]time.Duration
			do   func() error
		}{
			{&sync, func() error { return f.write(data) }},
			{&request, func() error { return none.post(path, body) }},
			{&push, func() error { return to.post(path, body) }},
		} {
			begun := time.Now()
			if err := op.do(); err != nil {
				return nil, nil, nil, err
			}
			*op.took = append(*op.took, time.Since(begun))
		}
	}
	for _, took := range [][]time.Duration{sync, request, push} {
		slices.Sort(took)
	}
	return sync, request, push, nil
}
