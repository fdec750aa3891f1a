// Package crowd is the client of the benchmark: many connections, one epoll loop,
// the same for every server. It does as little as a client can do: it splits the
// bytes into frames, counts messages and answers pings.
//
// Open connects; WaitFor waits until so many messages have come. Linux only.
package crowd

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Marker is the byte that every message has exactly once and nothing else has: it
// is how messages are counted, however a server packs them into frames.
const Marker = '~'

// Config says whom to connect to, and how many.
type Config struct {
	Address  netip.AddrPort
	Dialect  Dialect
	Sessions int
	First    int // the number of the first client, which is in its user's name
	// InFlight is how many handshakes are under way at once; 0: 64.
	InFlight int
	// Slow is how many of the clients never read once they are connected. They
	// get a small receive buffer, so that it is the server that has to cope.
	Slow    int
	Timeout time.Duration // of Open; 0: 60 s
}

// Crowd is a number of connections. Its methods are for one goroutine; who opens
// one owes it a Close.
type Crowd struct {
	cfg   Config
	epoll int
	wake  int // eventfd: ends the loop

	// Owned by the loop: Open's caller at first, then its own goroutine.
	conns   []conn
	next    int // the connection to open next
	ready   int
	buf     []byte
	out     []byte
	failure error

	expected  atomic.Int64
	received  atomic.Int64
	reached   chan struct{} // gets one when received comes to expected
	lost      atomic.Int64  // readers that the server closed
	latencies recorder
	done      chan struct{}
}

// Open connects everyone and returns when all are ready for messages.
func Open(cfg Config) (*Crowd, error) {
	if cfg.InFlight == 0 {
		cfg.InFlight = 64
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	c := &Crowd{
		cfg: cfg, conns: make([]conn, cfg.Sessions), buf: make([]byte, 256<<10),
		reached: make(chan struct{}, 1), done: make(chan struct{}),
	}
	var err error
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if c.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(c.epoll)
		return nil, err
	}
	c.watch(c.wake, wakeIndex, unix.EPOLLIN, unix.EPOLL_CTL_ADD)
	if err := c.connectAll(); err != nil {
		c.release()
		return nil, err
	}
	go c.read()
	return c, nil
}

// Close cuts all connections, without a TIME_WAIT.
func (c *Crowd) Close() {
	unix.Write(c.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) //nolint:errcheck // an eventfd takes it
	<-c.done
	c.release()
}

func (c *Crowd) release() {
	for i := range c.conns {
		if c.conns[i].state != unopened {
			unix.Close(c.conns[i].fd)
		}
	}
	unix.Close(c.wake)
	unix.Close(c.epoll)
}

// Received is how many messages have come, in all.
func (c *Crowd) Received() int { return int(c.received.Load()) }

// WaitFor returns when so many messages have come, in all. It fails on a timeout,
// and when the loop has failed.
func (c *Crowd) WaitFor(total int, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	// The loop counts first and looks at expected second; here it is the other way
	// round, so that one of the two sees that the number is reached.
	c.expected.Store(int64(total))
	for c.Received() < total {
		select {
		case <-c.reached:
		case <-c.done:
			return c.failure
		case <-timer.C:
			return fmt.Errorf("%d messages are missing after %s; the server closed %d connections",
				total-c.Received(), timeout, c.lost.Load())
		}
	}
	return nil
}

// Readers is how many of the clients read.
func (c *Crowd) Readers() int { return c.cfg.Sessions - c.cfg.Slow }

var errTimeout = errors.New("not everyone was connected in time")

// connectAll runs the loop until everybody is ready.
func (c *Crowd) connectAll() error {
	deadline := time.Now().Add(c.cfg.Timeout)
	events := make([]unix.EpollEvent, 1024)
	for c.ready < len(c.conns) && c.failure == nil {
		for c.next < len(c.conns) && c.next-c.ready < c.cfg.InFlight {
			if err := c.open(c.next); err != nil {
				return fmt.Errorf("connection %d: %w", c.next, err)
			}
			c.next++
		}
		if err := c.turn(events, 100); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %d of %d", errTimeout, c.ready, len(c.conns))
		}
	}
	return c.failure
}

// read is the loop from then on.
func (c *Crowd) read() {
	defer close(c.done)
	events := make([]unix.EpollEvent, 1024)
	for {
		switch err := c.turn(events, -1); {
		case errors.Is(err, errWoken):
			return
		case err != nil:
			c.failure = err
			return
		}
	}
}

var errWoken = errors.New("woken")

// turn handles what one epoll_wait returns.
func (c *Crowd) turn(events []unix.EpollEvent, milliseconds int) error {
	n, err := unix.EpollWait(c.epoll, events, milliseconds)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("epoll_wait: %w", err)
	}
	messages := 0
	for _, e := range events[:max(n, 0)] {
		if e.Fd == wakeIndex {
			return errWoken
		}
		messages += c.handle(int(e.Fd), e.Events)
	}
	if messages > 0 && c.received.Add(int64(messages)) >= c.expected.Load() {
		select {
		case c.reached <- struct{}{}:
		default:
		}
	}
	return nil
}
