// Package crowd is the client of load tests: many WebSocket connections in one
// process that cost little. A few loops read, hand each message to the Client of its
// connection and respond to pings; on Linux a loop is one goroutine with one epoll,
// whatever the number of its connections.
//
// Connect begins to connect; Ready and Broken report the result. The command's
// benchmarks and the comparison with other servers in bench use it.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes the connections of a crowd.
type Config struct {
	Address netip.AddrPort
	More    []netip.AddrPort // of other nodes: the connections are spread over all
	Size    int              // number of connections
	// Client makes the Client of connection i. Connect calls it; the methods of what
	// it returns are called by one of the loops, which are numbered from 0.
	Client func(i, loop int) Client
	Loops  int // 0: half of the cores, which leaves the others to the server
	// InFlight is how many connections of a loop are made at the same time; 0 means
	// 128.
	InFlight int
	// Sources is how many loopback addresses to connect from, 127.0.0.1 and the next
	// ones: each has a limited number of ports. 0 and 1 leave the choice to the system.
	Sources int
	// Slow selects connections that read nothing once they are ready. They have a small
	// receive buffer, so that the server must cope. nil: none.
	Slow func(i int) bool
	// DueEvery is how often Client.Due is called; 0: never.
	DueEvery time.Duration
	// Reset ends the connections by a reset instead of a closing handshake, which leaves
	// no port in TIME_WAIT.
	Reset bool
	// Secure adds TLS to the TCP of connection i; nil: none. With it, and on systems
	// without epoll, each connection has a goroutine.
	Secure   func(ctx context.Context, i int, nc net.Conn) (net.Conn, error)
	Portable bool // a goroutine for each connection in any case
}

// Client is one connection without its socket. What it appends to out is sent.
type Client interface {
	// Request is called first: it gives the request of the opening handshake. Nil means
	// that there is none, and frames come at once.
	Request() ([]byte, error)
	// Upgraded takes the response: its header with the empty line, and what has come
	// after it. Without an error, frames come from then on.
	Upgraded(header, rest []byte, now time.Time, out []byte) ([]byte, error)
	// Message takes a message, which is valid during the call.
	Message(payload []byte, now time.Time, out []byte) []byte
	// Ready reports whether the client has received all that comes before the messages
	// that count. It is called after each of the methods above, until it is true.
	Ready() bool
	// Due is called at the latest Config.DueEvery after a message, once the client is
	// ready.
	Due(out []byte) []byte
}

// Crowd is a number of connections, made by Connect. The caller must close it. All
// methods are safe for concurrent use.
type Crowd struct {
	// Static.
	cfg     Config
	loops   sync.WaitGroup
	ready   chan struct{}
	broken  chan struct{}
	stopped chan struct{} // closed with stopping

	connected atomic.Int64
	stopping  atomic.Bool

	mu struct {
		sync.Mutex
		failed int
		first  error
	}
}

// driver runs a part of a crowd until its connections have ended.
type driver interface{ run() }

const (
	defaultInFlight = 128
	// leaveTime is the time for the server to reply to the close frames.
	leaveTime = 2 * time.Second
	// slowBuffer is the receive buffer of a connection that does not read, in bytes.
	slowBuffer = 4 << 10
	// dialTimeout limits the time to establish a connection, where each has a
	// goroutine.
	dialTimeout = 15 * time.Second
)

var errStopped = errors.New("stopped")

// Connect begins to connect.
func Connect(cfg Config) (*Crowd, error) {
	if cfg.Loops == 0 {
		cfg.Loops = max(runtime.GOMAXPROCS(0)/2, 1)
	}
	if cfg.InFlight == 0 {
		cfg.InFlight = defaultInFlight
	}
	c := &Crowd{cfg: cfg, ready: make(chan struct{}), broken: make(chan struct{}), stopped: make(chan struct{})}
	if cfg.Size == 0 {
		close(c.ready)
	}
	var drivers []driver
	for loop := range cfg.Loops {
		d, err := c.driver(c.share(loop))
		if err != nil {
			return nil, errors.Join(err, closeAll(drivers))
		}
		drivers = append(drivers, d)
	}
	for _, d := range drivers {
		c.loops.Go(d.run)
	}
	return c, nil
}

// share returns the connections of a loop.
func (c *Crowd) share(loop int) (all []session) {
	for i := loop; i < c.cfg.Size; i += c.cfg.Loops {
		all = append(all, session{
			crowd: c, client: c.cfg.Client(i, loop), index: i, slow: c.cfg.Slow != nil && c.cfg.Slow(i),
		})
	}
	return all
}

func (c *Crowd) driver(sessions []session) (driver, error) {
	if c.cfg.Portable || c.cfg.Secure != nil {
		return newPortable(c, sessions), nil
	}
	return newDriver(c, sessions)
}

// Ready is closed when all connections are ready.
func (c *Crowd) Ready() <-chan struct{} { return c.ready }

// Broken is closed by the first failure.
func (c *Crowd) Broken() <-chan struct{} { return c.broken }

// Connected is the number of connections that have become ready.
func (c *Crowd) Connected() int { return int(c.connected.Load()) }

// Failed is the number of connections that closed although they should not have.
func (c *Crowd) Failed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.failed
}

// Failure describes the failures of connections; nil if there are none.
func (c *Crowd) Failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d connections failed, the first: %w", c.mu.failed, c.cfg.Size, c.mu.first)
}

// Close closes all connections and waits for the loops.
func (c *Crowd) Close() {
	if !c.stopping.Swap(true) {
		close(c.stopped)
	}
	c.loops.Wait()
}

// joined counts a connection that has become ready.
func (c *Crowd) joined() {
	if c.connected.Add(1) == int64(c.cfg.Size) {
		close(c.ready)
	}
}

// fail counts a connection that closed although it should not have.
func (c *Crowd) fail(err error) {
	if c.stopping.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.failed++; c.mu.failed == 1 {
		c.mu.first = err
		close(c.broken)
	}
}

// source is the address of connection i; invalid if the system chooses.
func (c *Crowd) source(i int) netip.Addr {
	if c.cfg.Sources <= 1 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i%c.cfg.Sources)})
}

// address is that of the server of connection i.
func (c *Crowd) address(i int) netip.AddrPort {
	if n := i % (1 + len(c.cfg.More)); n > 0 {
		return c.cfg.More[n-1]
	}
	return c.cfg.Address
}

func (c *Crowd) wordDial(i int, err error) error {
	return fmt.Errorf("cannot connect to %s: %w", c.address(i), err)
}
