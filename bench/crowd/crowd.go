// Package crowd is the client of the comparison: the connections of internal/crowd
// in one epoll loop, the same for every server, in the dialect of each. It counts
// messages and does nothing else with them.
//
// Open connects; WaitFor waits for a number of messages. Linux only, like the peers.
package crowd

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/crowd"
)

// Marker is a byte that every message contains exactly once and nothing else contains.
// Counting it counts messages, however a server packs them into frames.
const Marker = '~'

// Config describes the server and the clients.
type Config struct {
	Address  netip.AddrPort
	Dialect  Dialect
	Sessions int
	First    int // the number of the first client, part of its user ID
	// InFlight is the number of concurrent handshakes; 0: 64.
	InFlight int
	// Slow is how many of the clients never read after connecting. They have a small
	// receive buffer, so that the data accumulates in the server.
	Slow    int
	Timeout time.Duration // of Open; 0: 60 s
}

// Crowd is a number of connections. Its methods are for one goroutine. The caller must
// close it.
type Crowd struct {
	cfg   Config
	conns *crowd.Crowd

	expected  atomic.Int64
	received  atomic.Int64
	reached   chan struct{} // receives a value when received reaches expected
	latencies recorder
	sent      []atomic.Int64 // per client, when its last message was sent, as time since started
	started   time.Time
}

// sources is the number of source addresses: one does not have enough ports for
// several runs in a row.
const sources = 16

// Open connects the clients and returns when all are ready for messages.
func Open(cfg Config) (*Crowd, error) {
	if cfg.InFlight == 0 {
		cfg.InFlight = 64
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	c := &Crowd{
		cfg: cfg, reached: make(chan struct{}, 1),
		sent: make([]atomic.Int64, cfg.Sessions), started: time.Now(),
	}
	clients := make([]client, cfg.Sessions)
	var err error
	c.conns, err = crowd.Connect(crowd.Config{
		Address: cfg.Address, Size: cfg.Sessions, Loops: 1, InFlight: cfg.InFlight, Sources: sources, Reset: true,
		Slow: func(i int) bool { return i < cfg.Slow },
		Client: func(i, _ int) crowd.Client {
			clients[i] = client{crowd: c, number: cfg.First + i}
			return &clients[i]
		},
	})
	if err != nil {
		return nil, err
	}
	if err := c.awaitReady(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

var errTimeout = errors.New("not all clients connected in time")

func (c *Crowd) awaitReady() error {
	select {
	case <-c.conns.Ready():
		return nil
	case <-c.conns.Broken():
		return c.conns.Failure()
	case <-time.After(c.cfg.Timeout):
		return fmt.Errorf("%w: %d of %d", errTimeout, c.conns.Connected(), c.cfg.Sessions)
	}
}

// Close cuts all connections, without a TIME_WAIT.
func (c *Crowd) Close() { c.conns.Close() }

// Received returns the total number of messages received.
func (c *Crowd) Received() int { return int(c.received.Load()) }

// WaitFor returns when the total number of messages has been received. It fails on a
// timeout.
func (c *Crowd) WaitFor(total int, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	// The loop counts first and then checks expected; here the order is reversed, so
	// that one of the two notices when the number is reached.
	c.expected.Store(int64(total))
	for c.Received() < total {
		select {
		case <-c.reached:
		case <-timer.C:
			err := fmt.Errorf("%d messages are missing after %s", total-c.Received(), timeout)
			return errors.Join(err, c.conns.Failure())
		}
	}
	return nil
}

// count counts messages that client i has received.
func (c *Crowd) count(i, messages int, now time.Time) {
	if sent := c.sent[i].Swap(0); sent > 0 {
		c.latencies.record(1, now.Sub(c.started)-time.Duration(sent))
	}
	c.latencies.add(messages, now)
	if c.received.Add(int64(messages)) >= c.expected.Load() {
		select {
		case c.reached <- struct{}{}:
		default:
		}
	}
}

// Readers returns how many of the clients read.
func (c *Crowd) Readers() int { return c.cfg.Sessions - c.cfg.Slow }
