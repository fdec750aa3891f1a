package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// small is a cell with three nodes of one core and no pushes, whose clients always wait as
// long as they may, and whose handshakes take 100 ms.
func small(sessions int, notice time.Duration) *cell {
	a := &assumptions{nodes: 3, cores: 1, users: sessions, cells: 1, online: 1, connect: 1000, notice: notice, pace: 1000}
	l := newCell(a, &costs{handshake: 60 * time.Millisecond, tls: 40 * time.Millisecond}, sessions, 1)
	l.jitter = func(limit time.Duration) time.Duration { return limit }
	return l
}

func wantTally(t *testing.T, l *cell, want tally) {
	t.Helper()
	if err := l.verify(); err != nil {
		t.Error(err)
	}
	g := &l.tally
	if g.moved != want.moved || g.failed != want.failed || g.late != want.late || g.longest != want.longest ||
		math.Abs(g.cpu-want.cpu) > 1e-9 || math.Abs(g.bytes-want.bytes) > 1e-6 || math.Abs(g.busiest-want.busiest) > 1e-9 {
		g.times = nil
		t.Errorf("got %+v, want %+v", *g, want)
	}
}

const ms = time.Millisecond

// TestNodeLost: two clients of the lost node wait 1 s, and each of the other nodes takes
// one of them, for 100 ms.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	l := small(6, 0)
	l.begin()
	l.kill(0)
	l.settle()
	wantTally(t, l, tally{moved: 2, cpu: 0.2, bytes: 2000, longest: 100 * ms, busiest: 0.1})
	if half, all := l.tally.within(0.5), l.tally.within(1); half != 1100*ms || all != 1100*ms {
		t.Errorf("half after %s, all after %s", half, all)
	}
}

// TestNotice: the load balancer sends both clients to the lost node, which has no others,
// until it notices after 10 s. They wait for 2 s then.
func TestNotice(t *testing.T) {
	t.Parallel()
	l := small(6, 10*time.Second)
	l.begin()
	l.kill(0)
	l.settle()
	wantTally(t, l, tally{moved: 2, failed: 2, cpu: 0.2, bytes: 2000, longest: 100 * ms, busiest: 0.1})
	if all := l.tally.within(1); all != 12_100*ms {
		t.Errorf("all after %s", all)
	}
}

// TestStorm: each node has two handshakes to do at the same time, one after the other.
func TestStorm(t *testing.T) {
	t.Parallel()
	l := small(6, 0)
	l.begin()
	for i := range l.nodes {
		l.cut(i)
	}
	l.settle()
	wantTally(t, l, tally{moved: 6, cpu: 0.6, bytes: 6000, longest: 200 * ms, busiest: 0.2})
	if half, all := l.tally.within(0.5), l.tally.within(1); half != 1100*ms || all != 1200*ms {
		t.Errorf("half after %s, all after %s", half, all)
	}
}

// TestGivenUp: with 400 handshakes at once a node of one core needs 40 s. The clients give
// up after 30 s and come again 2 s later, when the node has finished the first ones.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	l := small(3*400, 0)
	l.begin()
	for i := range l.nodes {
		l.cut(i)
	}
	l.settle()
	wantTally(t, l, tally{moved: 1200, failed: 300, late: 300, cpu: 150, bytes: 1_500_000, longest: patience, busiest: 1})
	// At 33 s each node still works until 41 s, and then on 100 clients for 10 s.
	if all := l.tally.within(1); all != 51*time.Second {
		t.Errorf("all after %s", all)
	}
}

// TestDeploy: a node sends a client away every millisecond, which connects half a second
// later to another node. Nobody fails.
func TestDeploy(t *testing.T) {
	t.Parallel()
	l := small(6, 0)
	l.begin()
	l.until(l.drain(1))
	l.settle()
	wantTally(t, l, tally{moved: 2, cpu: 0.2, bytes: 2000, longest: 100 * ms, busiest: 0.1})
	if all := l.tally.within(1); all != 600*ms || l.nodes[1].open != 0 {
		t.Errorf("all after %s, %d are left", all, l.nodes[1].open)
	}
}

// TestSteady: 1000 pushes per second to three nodes of two cores.
func TestSteady(t *testing.T) {
	t.Parallel()
	a := &assumptions{users: 864_000, online: 0.5, cells: 2, nodes: 3, cores: 2, perDay: 100, peak: 2, keptDays: 3, message: 10, user: 20}
	c := &costs{push: 60 * time.Microsecond, apply: 30 * time.Microsecond, log: 90 * time.Microsecond}
	// A node receives a third of the pushes (20 µs each of all pushes), applies two thirds
	// (20 µs) and does a third of the log's work (30 µs): 70 ms per second, of 2 s.
	if got := a.steady(c, 3); math.Abs(got-0.035) > 1e-12 {
		t.Errorf("steady %v", got)
	}
	if got := a.pushRate(); math.Abs(got-1000) > 1e-9 {
		t.Errorf("%v pushes per second", got)
	}
	// 432 000 users of 20 bytes, with 300 messages of 10 bytes.
	if got := a.stored(); got != 432_000*3020 {
		t.Errorf("stored %d", got)
	}
	if a.sessions() != 216_000 {
		t.Errorf("%d sessions", a.sessions())
	}
}

// TestNoClientIsLost: whatever happens, every client is connected, connecting or waiting,
// and the nodes' counts are right in every millisecond.
func TestNoClientIsLost(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		l := small(300, 700*ms)
		l.jitter = func(limit time.Duration) time.Duration { return time.Duration(l.random.Int64N(int64(limit))) }
		random := rand.New(rand.NewPCG(seed, 1))
		for range 40 {
			i := random.IntN(3)
			switch n := &l.nodes[i]; {
			case !n.up:
				l.start(i)
			case random.IntN(3) == 0:
				l.kill(i)
			case random.IntN(2) == 0:
				l.cut(i)
			case !n.hidden:
				end := l.drain(i)
				l.until(end)
				l.start(i)
			}
			for end := l.now + time.Duration(random.IntN(300))*ms; l.now < end; {
				l.until(l.now + ms)
				if err := l.verify(); err != nil {
					t.Fatalf("seed %d, %s: %v", seed, l.now, err)
				}
			}
		}
		for i := range l.nodes {
			l.start(i)
		}
		l.settle()
		if err := l.verify(); err != nil || l.online != 300 {
			t.Fatalf("seed %d: %d clients are connected at the end, %v", seed, l.online, err)
		}
	}
}

// TestProgram: the same seed gives the same numbers.
func TestProgram(t *testing.T) {
	t.Parallel()
	output := func(args string) string {
		var b bytes.Buffer
		if err := run(strings.Fields(args), &b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const few = "-users 100000 -cells 4 -cores 1 -seed "
	first := output(few + "1")
	if again := output(few + "1"); again != first {
		t.Errorf("with the same seed:\n%s\n%s", first, again)
	}
	if other := output(few + "2"); other == first {
		t.Error("another seed changes nothing")
	}
	for _, args := range []string{"-nodes 1", "-users 0", "word", "-pushes 1e9"} {
		if err := run(strings.Fields(args), &bytes.Buffer{}); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
