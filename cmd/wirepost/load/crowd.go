package load

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A crowd is many WebSocket connections that cost little: a few loops read, skim
// and count, and answer pings. It is made by connect and has to be closed. All
// methods are safe for concurrent use.
type crowd struct {
	// Static.
	plan    crowdPlan
	at      netip.AddrPort
	key     string // Sec-WebSocket-Key, the same for all: nothing depends on it
	tallies tallies
	loops   sync.WaitGroup

	connected  atomic.Int64
	stopping   atomic.Bool
	ready      chan struct{} // closed when everybody is connected
	broken     chan struct{} // closed by the first failure
	stopped    chan struct{} // closed with stopping
	handshakes struct {
		sync.Mutex
		histogram
	}

	mu struct {
		sync.Mutex
		failed int
		first  error
	}
}

// crowdPlan says who connects, and what they expect.
type crowdPlan struct {
	target  *Target
	clock   clock
	size    int
	v1      bool
	user    func(i int) string
	channel string // what everybody subscribes to besides; "": nothing
	slow    int    // so many of them, spread evenly, do not read
	sources int    // loopback addresses to connect from; 0: as many as it takes
	marks   marks
	flight  *flight // nil: none
	driver  func(*crowd, []*session) (driver, error)
}

// driver runs a part of a crowd until its sessions have ended.
type driver interface{ run() }

// clock is the time of a run, which its messages carry.
type clock struct{ began time.Time }

func (c clock) now() time.Duration { return time.Since(c.began) }

// connect begins to connect.
func connect(ctx context.Context, plan crowdPlan) (*crowd, error) {
	at, err := plan.target.address(ctx)
	if err != nil {
		return nil, err
	}
	plan.sources = sources(at.Addr(), plan.sources, plan.size)
	var key [16]byte
	rand.Read(key[:]) //nolint:errcheck // it does not fail
	c := &crowd{
		plan: plan, at: at, key: base64.StdEncoding.EncodeToString(key[:]),
		ready: make(chan struct{}), broken: make(chan struct{}), stopped: make(chan struct{}),
	}
	drivers, err := c.drivers()
	if err != nil {
		return nil, err
	}
	for _, d := range drivers {
		c.loops.Go(d.run)
	}
	return c, nil
}

// drivers shares the sessions out. Half of the cores are left to the server.
func (c *crowd) drivers() ([]driver, error) {
	parts := max(runtime.GOMAXPROCS(0)/2, 1)
	var all []driver
	for part := range parts {
		t := &tally{}
		var sessions []*session
		for i := part; i < c.plan.size; i += parts {
			sessions = append(sessions, &session{crowd: c, tally: t, index: i, slow: c.isSlow(i), expected: 1})
		}
		c.tallies = append(c.tallies, t)
		d, err := c.plan.driver(c, sessions)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// isSlow spreads the slow ones over the crowd.
func (c *crowd) isSlow(i int) bool {
	return (i+1)*c.plan.slow/c.plan.size > i*c.plan.slow/c.plan.size
}

// source is the address that session i connects from; invalid if it is not to be
// chosen.
func (c *crowd) source(i int) netip.Addr {
	if c.plan.sources <= 1 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i%c.plan.sources)})
}

// handshake is the request of session i.
func (c *crowd) handshake(i int) ([]byte, error) {
	p, query, user := &c.plan, url.Values{}, c.plan.user(i)
	var channels []string
	if p.channel != "" {
		channels = []string{p.channel}
		query.Set("channels", p.channel)
	}
	authorization := ""
	if p.target.Token == nil {
		query.Set("user", user)
	} else {
		token, err := p.target.Token(user, channels)
		if err != nil {
			return nil, err
		}
		authorization = "Authorization: Bearer " + token + "\r\n"
	}
	protocol := ""
	if p.v1 {
		protocol = "Sec-WebSocket-Protocol: wirepost.v1\r\n"
	}
	return []byte(p.target.request("GET", "/ws", query) + authorization + protocol +
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + c.key + "\r\n\r\n"), nil
}

// joined counts a session whose handshake is done.
func (c *crowd) joined(took time.Duration) {
	c.handshakes.Lock()
	c.handshakes.add(took)
	c.handshakes.Unlock()
	if c.connected.Add(1) == int64(c.plan.size) {
		close(c.ready)
	}
}

// fail counts a session that ended although it should not have.
func (c *crowd) fail(err error) {
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

// failure words what went wrong with connections; nil for nothing.
func (c *crowd) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d connections failed, the first: %w", c.mu.failed, c.plan.size, c.mu.first)
}

// stall is how long nothing may happen before a run gives up.
const stall = 15 * time.Second

var errStopped = errors.New("stopped")

// await waits until everybody is connected.
func (c *crowd) await(ctx context.Context, progress func(string, ...any)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	before, since := int64(0), time.Now()
	for {
		select {
		case <-c.ready:
			return nil
		case <-c.broken:
			return c.failure()
		case <-ctx.Done():
			return errStopped
		case now := <-tick.C:
			n := c.connected.Load()
			progress("connecting: %d of %d", n, c.plan.size)
			if n > before {
				before, since = n, now
			}
			if now.Sub(since) > stall {
				return fmt.Errorf("no connection was accepted for %s: %d of %d are connected", stall, n, c.plan.size)
			}
		}
	}
}

// close ends all connections and waits for the loops.
func (c *crowd) close() {
	if !c.stopping.Swap(true) {
		close(c.stopped)
	}
	c.loops.Wait()
}

func (c *crowd) handshakeTimes() *histogram {
	c.handshakes.Lock()
	defer c.handshakes.Unlock()
	h := c.handshakes.histogram
	return &h
}
