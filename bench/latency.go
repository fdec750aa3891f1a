package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
	"github.com/wirepost/wirepost/bench/proc"
)

// rawSync is a peer without a server: a write and an fdatasync at the same rate, the
// minimum time of a durable push.
const rawSync = "disk"

var latency = scenario{
	name: "latency",
	question: "How long does a push take to reach its user, at a steady rate that leaves the machine mostly idle? " +
		"Every user is connected; -rate pushes per second go to one user after the other, in random order. disk is not a server: it writes and syncs as many bytes to the same disk.",
	label: "users",
	columns: []column{
		{"p50 ms", 2},
		{"p99 ms", 2},
		{"p99.9 ms", 2},
		{"max ms", 1},
		{"server µs/push", 0},
	},
	defaults: settings{
		peers:    []string{rawSync, pushTutorial, pushNchan, pushMemory, pushDurable},
		sessions: []int{5000}, rate: 2000, size: 128, rounds: 3, turn: 10 * time.Second,
	},
	turn: func(s *settings, name string) ([]row, error) {
		if name == rawSync {
			return syncTurn(s)
		}
		var rows []row
		for _, users := range s.sessions {
			for _, storm := range []int{0, s.storm}[:1+min(s.storm, 1)] {
				r, err := latencyTurn(s, name, users, storm)
				if err != nil {
					return nil, err
				}
				rows = append(rows, r)
			}
		}
		return rows, nil
	},
}

func latencyTurn(s *settings, name string, users, storm int) (r row, err error) {
	t, err := launchPush(s, name)
	if err != nil {
		return r, err
	}
	defer t.stop()
	c, err := t.crowd(users, 0)
	if err != nil {
		return r, err
	}
	defer c.Close()
	if _, err := pace(s, t, c, name, min(s.turn, 2*time.Second)); err != nil { // buffers grow, pools fill
		return r, err
	}
	c.Latencies()
	stop, err := startStorm(t, storm)
	if err != nil {
		return r, err
	}
	cost, err := meter(t, func() (int, error) { return pace(s, t, c, name, s.turn) })
	if err := errors.Join(err, stop()); err != nil {
		return r, err
	}
	label := fmt.Sprint(users)
	if storm > 0 {
		label += fmt.Sprintf(" and %d handshakes/s", storm)
	}
	took := c.Latencies()
	if len(took) == 0 {
		return r, errors.New("no message was received")
	}
	perPush := float64(cost.server.Nanoseconds()) / 1e3 / float64(cost.operations)
	return row{label, append(quantiles(took), perPush)}, nil
}

// quantiles returns p50, p99, p99.9 and the maximum of sorted times, in milliseconds.
func quantiles(sorted []time.Duration) (values []float64) {
	for _, q := range []float64{0.5, 0.99, 0.999, 1} {
		values = append(values, sorted[int(q*float64(len(sorted)-1))].Seconds()*1e3)
	}
	return values
}

// pacers is how many connections share the pushes: one waits for its response while
// the others push.
const pacers = 16

// pace pushes at a fixed rate, whether or not earlier pushes have a response, and returns
// when everything has arrived.
func pace(s *settings, t *target, c *crowd.Crowd, name string, turn time.Duration) (int, error) {
	pause := time.Second / time.Duration(s.rate)
	count := int(turn / pause)
	order := rand.Perm(c.Readers()) // see anyUser
	before, begun := c.Received(), time.Now()
	err := together(pacers, func(worker int) error {
		p, err := dialPoster(t.Address)
		if err != nil {
			return err
		}
		defer p.close()
		for n := worker; n < count; n += pacers {
			user := order[n%len(order)]
			path, body := pushRequest(name, user, s.size)
			time.Sleep(time.Until(begun.Add(time.Duration(n) * pause)))
			c.Sent(user)
			if err := p.post(path, body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return count, c.WaitFor(before+count, patience)
}

// startStorm connects and disconnects other users at the given rate, until stop is called.
func startStorm(t *target, perSecond int) (stop func() error, err error) {
	if perSecond == 0 {
		return func() error { return nil }, nil
	}
	const interval = 50 * time.Millisecond
	over, result := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			c, err := crowd.Open(crowd.Config{
				Address: t.Address, Dialect: t.dialect, First: t.clients,
				Sessions: int(time.Duration(perSecond) * interval / time.Second),
			})
			if err != nil {
				result <- err
				return
			}
			t.clients += c.Readers()
			select {
			case <-tick.C:
				c.Close()
			case <-over:
				c.Close()
				result <- nil
				return
			}
		}
	}()
	return func() error {
		close(over)
		return <-result
	}, nil
}

// syncTurn measures the disk alone.
func syncTurn(s *settings) (rows []row, err error) {
	f, err := newSyncFile(s.dir)
	if err != nil {
		return nil, err
	}
	defer f.close()
	pause := time.Second / time.Duration(s.rate)
	data := make([]byte, s.size)
	var took []time.Duration
	cpu := proc.SelfCPU()
	for begun := time.Now(); time.Since(begun) < s.turn; {
		time.Sleep(time.Until(begun.Add(time.Duration(len(took)) * pause)))
		start := time.Now()
		if err := f.write(data); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	perSync := float64((proc.SelfCPU() - cpu).Microseconds()) / float64(len(took))
	slices.Sort(took)
	for _, users := range s.sessions {
		rows = append(rows, row{fmt.Sprint(users), append(quantiles(took), perSync)})
	}
	return rows, nil
}
