package main

import "time"

// costs are the measured inputs of the simulation. All were measured with two cores of the
// machine that docs/performance.md names. Processor time is that of the servers.
type costs struct {
	handshake time.Duration // docs/performance.md, Connecting: wirepost-pebble
	tls       time.Duration // go test -run '^$' -bench HandshakeServer/ECDHE-X25519-ECDSA crypto/tls: TLS 1.3
	delivery  time.Duration // docs/performance.md, Delivering to many: wirepost-pebble, one in flight
	// push is a push that arrives at a node, with all that the node does for it: parse,
	// store, deliver, acknowledge. docs/performance.md, Pushing over HTTP:
	// wirepost-serve-client, 256 in flight.
	push time.Duration
	// apply is what a push costs each other node, in a batch of its own and in a large one.
	// go test -run '^$' -bench BenchmarkApply -benchtime 300000x ./engine/pebble: 100 000
	// channels, batches of 1 and of 512.
	apply, applyMany time.Duration
	// log is what a push costs the three servers of the log together, in a batch of its own.
	// NATS 2.15 JetStream, three replicas, sync always, entries of 256 B, 64 in flight.
	log time.Duration
	// election is the range of the time in which the log has no leader after the machine of
	// the leader was lost: as measured with JetStream, whose time-out is fixed.
	electionMin, electionMax time.Duration

	connection int64 // bytes of memory: docs/performance.md, Memory of a connected user, and 4 KB in the kernel
}

var measured = costs{
	handshake: 112 * time.Microsecond, tls: 180 * time.Microsecond, delivery: 9590 * time.Nanosecond,
	push: 51 * time.Microsecond, apply: 32 * time.Microsecond, applyMany: 9900 * time.Nanosecond, log: 99 * time.Microsecond,
	electionMin: 4 * time.Second, electionMax: 7 * time.Second,
	connection: 1806 + 4096,
}

// assumptions are inputs that were not measured: what the users do, and the machines.
type assumptions struct {
	users  int     // in all cells
	online float64 // the part of them that is connected
	cells  int
	nodes  int // of a cell
	cores  int // of a node
	// pushes to a user in a day, and how many times the mean the peak hour has.
	perDay, peak float64
	keptDays     float64 // how long messages are kept
	message      int64   // bytes of a message in the log, in the store and on the wire
	connect      int64   // bytes on the wire of a connection: TCP, TLS with a chain of certificates, HTTP, hello
	user         int64   // bytes of a user without messages in the store
	network      int64   // bytes per second in which a node reads the log or a snapshot
	// notice is how long a load balancer sends connections to a machine that was lost. Such
	// a connection fails when it notices.
	notice  time.Duration
	restart time.Duration // of a node in a deploy, until it is ready
	pace    float64       // --reconnect-rate of a node
}

var assumed = assumptions{
	users: 100_000_000, online: 0.1, cells: 20, nodes: 3, cores: 8,
	perDay: 20, peak: 3, keptDays: 7, message: 400, connect: 6000, user: 500, network: 500 << 20,
	notice: 3 * time.Second, restart: 20 * time.Second, pace: 2000,
}

// Of the clients: client.Options and js, which both wait a random time up to a limit that
// doubles from firstWait to lastWait, and give an attempt up after patience.
const (
	firstWait = time.Second
	lastWait  = 30 * time.Second
	patience  = 30 * time.Second
)

// pushRate is how many pushes a cell gets per second in the peak hour.
func (a *assumptions) pushRate() float64 {
	return float64(a.users) / float64(a.cells) * a.perDay / 86_400 * a.peak
}

// sessions is how many clients of a cell are connected.
func (a *assumptions) sessions() int { return int(float64(a.users) / float64(a.cells) * a.online) }

// steady is the share of a node's processor time that pushes take, of a cell with so many
// nodes up: each node gets its part of the pushes, applies the others and has a server of
// the log.
func (a *assumptions) steady(c *costs, up int) float64 {
	n := float64(up)
	each := c.push.Seconds()/n + c.apply.Seconds()*(n-1)/n + c.log.Seconds()/float64(a.nodes)
	return a.pushRate() * each / float64(a.cores)
}

// stored is the size of a node's store.
func (a *assumptions) stored() int64 {
	users := float64(a.users) / float64(a.cells)
	return int64(users * (float64(a.user) + a.perDay*a.keptDays*float64(a.message)))
}
