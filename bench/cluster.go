package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
	"github.com/wirepost/wirepost/bench/peer"
	"github.com/wirepost/wirepost/bench/proc"
)

// users are the clients of wirepost serve: each is a user of its own.
var users = crowd.Dialect{Path: func(i int) string { return "/ws?token=" + token(fmt.Sprintf("u%d", i)) }}

var clusterPush = scenario{
	name: "cluster",
	question: "What does a durable push cost in a cluster of three nodes on this machine, compared with one node? " +
		"Pushes go to the inboxes of offline users, by way of all nodes but the last one, which only applies them.",
	label: "in flight",
	columns: []column{
		{"pushes/s", 0}, {"p50 ms", 2}, {"p99 ms", 2}, {"µs/push, all nodes", 1}, {"µs/push, last node", 1}, {"client µs/push", 1},
	},
	defaults: settings{
		peers: []string{oneNode, threeNodes, onPostgreSQL}, sessions: []int{1000}, inFlight: []int{1, 64, 256}, size: 256, rounds: 3, turn: 3 * time.Second,
	},
	turn: func(s *settings, name string) ([]row, error) {
		ns, err := launchNodes(s, name)
		if err != nil {
			return nil, err
		}
		defer ns.stop()
		var rows []row
		for _, n := range s.inFlight {
			if _, err := pushThrough(s, ns, n, s.turn/4); err != nil { // buffers grow
				return nil, err
			}
			r, err := pushThrough(s, ns, n, s.turn)
			if err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
		return rows, nil
	},
}

// pushThrough pushes for one turn.
func pushThrough(s *settings, ns nodes, inFlight int, turn time.Duration) (r row, err error) {
	var mu sync.Mutex
	var took []time.Duration
	all, last, err := ns.cpu()
	if err != nil {
		return r, err
	}
	client, begun := proc.SelfCPU(), time.Now()
	err = together(inFlight, func(worker int) error {
		p, err := dialPoster(ns[worker%max(1, len(ns)-1)].Address)
		if err != nil {
			return err
		}
		defer p.close()
		var mine []time.Duration
		for time.Since(begun) < turn {
			start := time.Now()
			if err := p.post("/v1/push", pushLine(s.anyUser(), s.size)); err != nil {
				return err
			}
			mine = append(mine, time.Since(start))
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, mine...)
		return nil
	})
	if err == nil && len(took) == 0 {
		err = errors.New("no push was answered")
	}
	if err != nil {
		return r, err
	}
	wall, client := time.Since(begun), proc.SelfCPU()-client
	allAfter, lastAfter, err := ns.cpu()
	slices.Sort(took)
	q := quantiles(took)
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(len(took)) }
	return row{fmt.Sprint(inFlight), []float64{
		float64(len(took)) / wall.Seconds(), q[0], q[1], per(allAfter - all), per(lastAfter - last), per(client),
	}}, err
}

var clusterFanOut = scenario{
	name:     "clusterfanout",
	question: "What does it cost to deliver a durable message to everybody, with the clients spread over three nodes, compared with one node?",
	label:    "clients",
	columns:  costColumns("delivery", "deliveries"),
	defaults: settings{
		peers: []string{oneNode, threeNodes}, sessions: []int{5000}, size: 128, rounds: 5, turn: 2 * time.Second,
	},
	turn: func(s *settings, name string) ([]row, error) {
		ns, err := launchNodes(s, name)
		if err != nil {
			return nil, err
		}
		defer ns.stop()
		var crowds []*crowd.Crowd
		defer func() {
			for _, c := range crowds {
				c.Close()
			}
		}()
		first := 0
		for i, t := range ns {
			t.clients = first
			n := s.sessions[0]/len(ns) + min(1, s.sessions[0]%len(ns)/(i+1))
			c, err := crowd.Open(crowd.Config{Address: t.Address, Dialect: t.dialect, First: first, Sessions: n})
			if err != nil {
				return nil, fmt.Errorf("%w; the server logged %q", err, t.Stderr())
			}
			crowds, first = append(crowds, c), first+n
		}
		cost, err := tellAll(s, ns, crowds)
		if err != nil {
			return nil, err
		}
		return []row{cost.row(fmt.Sprint(s.sessions[0]))}, nil
	},
}

// tellAll pushes to all, and the next message when all clients have it.
func tellAll(s *settings, ns nodes, crowds []*crowd.Crowd) (*cost, error) {
	p, err := dialPoster(ns[0].Address)
	if err != nil {
		return nil, err
	}
	defer p.close()
	body := fmt.Appendf(nil, `{"to":"all","data":%s}`, peer.Message(s.size))
	burst := func() (deliveries int, err error) {
		goals := make([]int, len(crowds))
		for i, c := range crowds {
			goals[i] = c.Received() + c.Readers()
			deliveries += c.Readers()
		}
		if err := p.post("/v1/push", body); err != nil {
			return 0, err
		}
		for i, c := range crowds {
			err = errors.Join(err, c.WaitFor(goals[i], patience))
		}
		return deliveries, err
	}
	for range 3 { // buffers grow, pools fill
		if _, err := burst(); err != nil {
			return nil, err
		}
	}
	all, _, err := ns.cpu()
	if err != nil {
		return nil, err
	}
	c := &cost{}
	client, begun := proc.SelfCPU(), time.Now()
	for time.Since(begun) < s.turn {
		n, err := burst()
		if err != nil {
			return nil, err
		}
		c.operations += n
	}
	c.client, c.wall = proc.SelfCPU()-client, time.Since(begun)
	after, _, err := ns.cpu()
	c.server = after - all
	return c, err
}

var clusterKill = scenario{
	name: "clusterkill",
	question: "How long are pushes not answered when a node is killed? " +
		"One node of three is killed, while pushes to the others go on, to each of them one at a time. Those that fail are repeated with their id.",
	columns: []column{{"longest gap s", 2}, {"pushes", 0}, {"failed attempts", 0}},
	defaults: settings{
		peers: []string{threeNodes}, sessions: []int{1000}, size: 256, rounds: 5, turn: 25 * time.Second,
	},
	turn: func(s *settings, name string) (rows []row, err error) {
		ns, err := launchNodes(s, name)
		if err != nil {
			return nil, err
		}
		defer ns.stop()
		g := &gaps{}
		end := time.Now().Add(s.turn)
		time.AfterFunc(s.turn/10, ns[0].Stop)
		left := ns[1:]
		err = together(len(left), func(worker int) error { return g.push(s, left[worker], worker, end) })
		return []row{{"", []float64{g.longest.Seconds(), float64(g.pushes), float64(g.failed)}}}, err
	},
}

// gaps are the times without an answered push.
type gaps struct {
	mu             sync.Mutex
	longest        time.Duration
	pushes, failed int
}

// push pushes to one node until the end. A gap that lasts until then counts as well.
func (g *gaps) push(s *settings, t *target, worker int, end time.Time) error {
	p, err := dialPoster(t.Address)
	if err != nil {
		return err
	}
	defer func() { p.close() }()
	answered := time.Now()
	for n := 0; time.Now().Before(end); n++ {
		body := fmt.Appendf(nil, `{"to":"user:u%d","id":"push-%d-%d","data":%s}`, n%s.sessions[0], worker, n, peer.Message(s.size))
		failed := 0
		for err = p.post("/v1/push", body); err != nil && time.Now().Before(end); err = p.post("/v1/push", body) {
			failed++
			time.Sleep(50 * time.Millisecond)
			p.close()
			if p, err = dialPoster(t.Address); err != nil {
				return err
			}
		}
		g.mu.Lock()
		g.longest, g.failed = max(g.longest, time.Since(answered)), g.failed+failed
		if answered = time.Now(); err == nil {
			g.pushes++
		}
		g.mu.Unlock()
	}
	return nil
}
