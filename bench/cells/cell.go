package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// state is what a client does.
type state uint8

const (
	waiting    state = iota // it pauses before it connects
	connecting              // a node works on its handshake, or will
	hanging                 // it connects to a machine that was lost
	connected
)

// client is a device of a user who is online.
type client struct {
	lost    time.Duration // when it lost its last connection
	state   state
	node    int8 // of connecting and connected
	attempt uint8
	life    uint32 // of the node, at the attempt: another one means that the node died meanwhile
}

// node is a server: one queue of work, which its cores do together.
type node struct {
	up      bool
	noticed time.Duration // from then on the load balancer knows that it is down
	hidden  bool          // it sends clients away: the load balancer does not choose it
	life    uint32
	free    time.Duration // when it has done all the work that it has
	open    int           // clients that are connected or connecting
	ready   int           // clients that are connected
	work    []float64     // seconds of processor time for connections, by second since the step began
}

// tally is what a step did.
type tally struct {
	took     time.Duration
	moved    int // connections that were made
	failed   int // attempts that failed
	late     int // attempts that the client gave up, although the node did the work
	cpu      float64
	bytes    float64
	messages float64       // delivered after a reconnect
	times    []int         // connections by the time since the one before was lost, in slots
	longest  time.Duration // that a handshake waited and took
	busiest  float64       // share of a node's processor time in its busiest second, pushes included
}

func (t *tally) count(slots int) {
	for len(t.times) <= slots {
		t.times = append(t.times, make([]int, 1+len(t.times))...)
	}
	t.times[slots]++
}

// add adds what happened in another cell at the same time.
func (t *tally) add(o *tally) {
	t.moved, t.failed, t.late = t.moved+o.moved, t.failed+o.failed, t.late+o.late
	t.cpu, t.bytes, t.messages = t.cpu+o.cpu, t.bytes+o.bytes, t.messages+o.messages
	t.longest, t.busiest, t.took = max(t.longest, o.longest), max(t.busiest, o.busiest), max(t.took, o.took)
	t.times = append(t.times, make([]int, max(0, len(o.times)-len(t.times)))...)
	for i, n := range o.times {
		t.times[i] += n
	}
}

// within returns the time in which a part of the connections were made again.
func (t *tally) within(part float64) time.Duration {
	for sum, i := 0, 0; i < len(t.times); i++ {
		if sum += t.times[i]; sum > 0 && float64(sum) >= part*float64(t.moved) {
			return time.Duration(i) * slot
		}
	}
	return 0
}

// cell is one cluster and its clients. Its events happen in the order of their time, and
// at the same millisecond in the order in which they were planned: a seed always gives the
// same result.
type cell struct {
	a       *assumptions
	c       *costs
	random  *rand.Rand
	jitter  func(limit time.Duration) time.Duration
	clients []client
	nodes   []node
	now     time.Duration
	began   time.Duration // of the step
	online  int           // clients that are connected
	slots   map[int64][]int32
	last    int64 // the highest slot that has events
	tally   tally
}

const slot = time.Millisecond

// newCell makes a cell whose clients are connected, spread over all nodes.
func newCell(a *assumptions, c *costs, sessions int, seed uint64) *cell {
	l := &cell{
		a: a, c: c, random: rand.New(rand.NewPCG(seed, 0)), clients: make([]client, sessions),
		nodes: make([]node, a.nodes), slots: map[int64][]int32{}, online: sessions,
	}
	l.jitter = func(limit time.Duration) time.Duration { return time.Duration(l.random.Int64N(int64(limit) + 1)) }
	for i := range l.nodes {
		l.nodes[i].up = true
	}
	for i := range l.clients {
		n := i % len(l.nodes)
		l.clients[i] = client{state: connected, node: int8(n)}
		l.nodes[n].open++
		l.nodes[n].ready++
	}
	return l
}

// at plans the next event of a client.
func (l *cell) at(when time.Duration, i int32) {
	s := max(int64(when/slot), int64(l.now/slot))
	l.slots[s] = append(l.slots[s], i)
	l.last = max(l.last, s)
}

// begin begins a step.
func (l *cell) begin() {
	l.began, l.tally = l.now, tally{}
	for i := range l.nodes {
		l.nodes[i].work = nil
	}
}

// until lets time pass up to a moment.
func (l *cell) until(end time.Duration) {
	for s := int64(l.now / slot); s < int64(end/slot); s++ {
		l.slot(s)
	}
	l.now = end
}

// settle lets time pass until every client is connected.
func (l *cell) settle() {
	for s := int64(l.now / slot); l.online < len(l.clients) && s <= l.last; s++ {
		l.slot(s)
	}
}

func (l *cell) slot(s int64) {
	l.now = time.Duration(s) * slot
	for n := 0; n < len(l.slots[s]); n++ { // events may add others
		l.event(l.slots[s][n])
	}
	delete(l.slots, s)
}

// event is the next thing that happens to a client.
func (l *cell) event(i int32) {
	c := &l.clients[i]
	switch c.state {
	case waiting:
		l.connect(i)
	case hanging:
		l.nodes[c.node].open--
		l.fail(i)
	case connecting:
		n := &l.nodes[c.node]
		switch {
		case c.life != n.life: // it died, and has forgotten the client
			l.fail(i)
		case c.attempt&late != 0:
			n.open--
			l.tally.late++
			l.fail(i)
		default:
			l.welcome(i)
		}
	case connected: // its node sends it away
		n := &l.nodes[c.node]
		if !n.hidden {
			return
		}
		n.open--
		n.ready--
		l.online--
		*c = client{lost: l.now, state: waiting}
		l.at(l.now+soonest, i)
	}
}

// late marks an attempt of which the client will have given up before the node is done.
const late = 1 << 7

// soonest is the pause after a bye of a node that sends its clients away at a rate.
const soonest = time.Second / 2

// connect begins an attempt.
func (l *cell) connect(i int32) {
	c := &l.clients[i]
	to := l.choose()
	if to < 0 {
		l.fail(i)
		return
	}
	n := &l.nodes[to]
	if !n.up { // the load balancer does not know yet
		n.open++
		c.state, c.node = hanging, int8(to)
		l.at(n.noticed, i)
		return
	}
	done := l.spend(n, (l.c.handshake+l.c.tls).Seconds()+l.missed(c)*l.c.delivery.Seconds())
	l.tally.bytes += float64(l.a.connect)
	n.open++
	c.state, c.node, c.life = connecting, int8(to), n.life
	if done > l.now+patience {
		c.attempt |= late
		done = l.now + patience
	}
	l.tally.longest = max(l.tally.longest, done-l.now)
	l.at(done, i)
}

// missed is how many messages to a client were pushed since it lost its connection.
func (l *cell) missed(c *client) float64 {
	return l.a.perDay / 86_400 * l.a.peak * (l.now - c.lost).Seconds()
}

// spend gives a node work, and returns when it is done. Pushes take their part of the node
// before.
func (l *cell) spend(n *node, seconds float64) time.Duration {
	up := 0
	for i := range l.nodes {
		if l.nodes[i].up {
			up++
		}
	}
	free := float64(l.a.cores) * (1 - l.a.steady(l.c, up))
	n.free = max(n.free, l.now) + time.Duration(seconds/free*float64(time.Second))
	second := int((n.free - l.began) / time.Second)
	for len(n.work) <= second {
		n.work = append(n.work, 0)
	}
	n.work[second] += seconds
	l.tally.cpu += seconds
	l.tally.busiest = max(l.tally.busiest, min(1, n.work[second]/float64(l.a.cores)+l.a.steady(l.c, up)))
	return n.free
}

// choose is the load balancer: the node with the fewest connections of those that it
// believes to be ready, -1 if there is none.
func (l *cell) choose() int {
	best := -1
	for i := range l.nodes {
		n := &l.nodes[i]
		if n.hidden || !n.up && l.now >= n.noticed {
			continue
		}
		if best < 0 || n.open < l.nodes[best].open {
			best = i
		}
	}
	return best
}

// fail makes a client wait before its next attempt.
func (l *cell) fail(i int32) {
	c := &l.clients[i]
	c.attempt &^= late
	c.state = waiting
	limit := lastWait
	if c.attempt < 5 {
		limit = min(firstWait<<c.attempt, lastWait)
		c.attempt++
	}
	l.tally.failed++
	l.at(l.now+l.jitter(limit), i)
}

// welcome completes an attempt.
func (l *cell) welcome(i int32) {
	c := &l.clients[i]
	missed := l.missed(c)
	l.tally.bytes += missed * float64(l.a.message)
	l.tally.messages += missed
	c.state, c.attempt = connected, 0
	l.nodes[c.node].ready++
	l.online++
	l.tally.moved++
	l.tally.count(int((l.now - c.lost) / slot))
}

// kill ends a node at once, and with it its connections.
func (l *cell) kill(which int) {
	n := &l.nodes[which]
	l.cut(which)
	for i := range l.clients {
		if c := &l.clients[i]; c.state == connecting && int(c.node) == which && c.life == n.life {
			n.open--
		}
	}
	n.up, n.noticed, n.free = false, l.now+l.a.notice, 0
	n.life++
}

// cut ends the connections of a node. Their clients wait before they connect again.
func (l *cell) cut(which int) {
	n := &l.nodes[which]
	for i := range l.clients {
		c := &l.clients[i]
		if c.state != connected || int(c.node) != which {
			continue
		}
		n.open--
		n.ready--
		l.online--
		*c = client{lost: l.now, state: waiting, attempt: 1}
		l.at(l.now+l.jitter(firstWait), int32(i))
	}
}

// drain makes a node send its clients away, at the pace, and returns when the last one is.
func (l *cell) drain(which int) time.Duration {
	l.nodes[which].hidden = true
	var all []int32
	for i := range l.clients {
		if l.clients[i].state == connected && int(l.clients[i].node) == which {
			all = append(all, int32(i))
		}
	}
	l.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	end := l.now
	for n, i := range all {
		end = l.now + time.Duration(float64(n)/l.a.pace*float64(time.Second))
		l.at(end, i)
	}
	return end + slot
}

// start makes a node ready again.
func (l *cell) start(which int) {
	n := &l.nodes[which]
	n.up, n.hidden, n.free = true, false, l.now
}

// verify checks that no client was lost or counted twice.
func (l *cell) verify() error {
	open, ready := make([]int, len(l.nodes)), make([]int, len(l.nodes))
	online := 0
	for i := range l.clients {
		c := &l.clients[i]
		if c.state == waiting || c.life != l.nodes[c.node].life && c.state == connecting {
			continue
		}
		open[c.node]++
		if c.state == connected {
			ready[c.node]++
			online++
		}
	}
	for i := range l.nodes {
		if n := &l.nodes[i]; n.open != open[i] || n.ready != ready[i] {
			return fmt.Errorf("node %d counts %d clients, %d of them ready; there are %d and %d", i, n.open, n.ready, open[i], ready[i])
		}
	}
	if online != l.online {
		return fmt.Errorf("the cell counts %d connected clients, there are %d", l.online, online)
	}
	return nil
}
