package main

import (
	"fmt"
	"sync"
	"time"
)

// scenario is what happens to some of the cells.
type scenario struct {
	name  string
	cells func(a *assumptions) int // how many cells it happens to
	steps func(a *assumptions) []step
}

// step is a part of a scenario.
type step struct {
	name string
	do   func(l *cell)
}

// outage is how long what was lost stays away.
const outage = 10 * time.Minute

func every(a *assumptions) int { return a.cells }

func one(*assumptions) int { return 1 }

var scenarios = []scenario{
	{"One node is lost", one, nodeLost},
	{"A zone is lost that has one node of every cell", every, nodeLost},
	{"A zone is lost that has a third of the cells entirely", func(a *assumptions) int { return (a.cells + 2) / 3 }, cellLost},
	{"All connections are lost", every, storm},
	{"Every node is restarted, one of each cell at a time", every, deploy},
}

func nodeLost(*assumptions) []step {
	return []step{
		{"its clients reconnect", func(l *cell) { l.kill(0); l.settle() }},
		{"it returns with its disk after " + outage.String(), func(l *cell) {
			l.until(l.now + outage)
			l.begin()
			l.catchUp(l.a.pushRate() * outage.Seconds())
			l.start(0)
		}},
		{"it returns with an empty disk instead", func(l *cell) { l.fetch() }},
	}
}

func cellLost(*assumptions) []step {
	return []step{
		{"its clients try for " + outage.String(), func(l *cell) {
			for i := range l.nodes {
				l.kill(i)
			}
			l.until(l.now + outage)
		}},
		{"it returns, and all clients reconnect", func(l *cell) {
			for i := range l.nodes {
				l.start(i)
			}
			l.settle()
		}},
	}
}

func storm(*assumptions) []step {
	return []step{{"all clients reconnect", func(l *cell) {
		for i := range l.nodes {
			l.cut(i)
		}
		l.settle()
	}}}
}

func deploy(a *assumptions) (steps []step) {
	for i := range a.nodes {
		steps = append(steps, step{fmt.Sprintf("node %d of each", i+1), func(l *cell) {
			l.until(l.drain(i))
			l.settle()
			l.nodes[i].up = false
			l.until(l.now + l.a.restart)
			l.start(i)
		}})
	}
	return steps
}

// catchUp is what a node does that reads the log from where it was.
func (l *cell) catchUp(pushes float64) {
	l.read(pushes*float64(l.a.message), pushes*l.c.applyMany.Seconds())
}

// fetch is what a node does that has lost its store: another node sends it. What a store
// costs to send was not measured.
func (l *cell) fetch() { l.read(float64(l.a.stored()), 0) }

// shards are applied at the same time, each by one core at most.
const shards = 4

func (l *cell) read(bytes, cpu float64) {
	l.tally.bytes += bytes
	l.tally.cpu += cpu
	seconds := max(bytes/float64(l.a.network), cpu/float64(min(shards, l.a.cores)))
	l.now += time.Duration(seconds * float64(time.Second))
}

// play plays a scenario in all cells that it happens to, and returns what each step did in
// all of them together, and how many clients each node of the first cell has at the end.
func (s *scenario) play(a *assumptions, c *costs, seed uint64) (sums []tally, left []int, err error) {
	steps := s.steps(a)
	n := s.cells(a)
	sums = make([]tally, len(steps))
	faults := make([]error, n)
	all := make([][]tally, n)
	var running sync.WaitGroup
	places := make(chan struct{}, 2)
	for i := range n {
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			l := newCell(a, c, a.sessions(), seed+uint64(i))
			for _, st := range steps {
				l.begin()
				st.do(l)
				l.tally.took = l.now - l.began
				all[i] = append(all[i], l.tally)
				if err := l.verify(); err != nil {
					faults[i] = fmt.Errorf("cell %d, %s: %w", i, st.name, err)
					return
				}
			}
			if i == 0 {
				for _, n := range l.nodes {
					left = append(left, n.ready)
				}
			}
		})
	}
	running.Wait()
	for i := range n {
		if faults[i] != nil {
			return nil, nil, faults[i]
		}
		for k := range steps {
			sums[k].add(&all[i][k])
		}
	}
	return sums, left, nil
}
