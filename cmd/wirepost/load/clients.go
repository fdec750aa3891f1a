package load

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/crowd"
)

// clients are the connections of a benchmark, and what they received. They are made
// by connect and have to be closed. All methods are safe for concurrent use.
type clients struct {
	// Static.
	*crowd.Crowd
	plan    clientPlan
	key     string // Sec-WebSocket-Key, the same for all: nothing depends on it
	tallies tallies

	handshakes struct {
		sync.Mutex
		histogram
	}
}

// clientPlan describes the clients and what they expect.
type clientPlan struct {
	targets  []*Target // connection i is to the (i mod n)th
	clock    clock
	size     int
	v1       bool
	user     func(i int) string
	channel  string // what all subscribe to in addition; "": nothing
	slow     int    // so many of them, spread evenly, do not read
	sources  int    // loopback addresses to connect from; 0: as many as it takes
	marks    marks
	flight   *flight // nil: none
	portable bool    // see crowd.Config
}

// clock is the time of a run, which its messages carry.
type clock struct{ began time.Time }

func (c clock) now() time.Duration { return time.Since(c.began) }

// connect begins to connect.
func connect(ctx context.Context, plan clientPlan) (*clients, error) {
	var addresses []netip.AddrPort
	for _, t := range plan.targets {
		at, err := t.address(ctx)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, at)
	}
	var key [16]byte
	rand.Read(key[:]) //nolint:errcheck // it does not fail
	c := &clients{plan: plan, key: base64.StdEncoding.EncodeToString(key[:])}
	cfg := crowd.Config{
		Address: addresses[0], More: addresses[1:],
		Size: plan.size, Client: c.client, Slow: c.isSlow, Portable: plan.portable,
		Sources: sources(addresses[0].Addr(), plan.sources, plan.size),
	}
	if plan.v1 {
		cfg.DueEvery = ackPause
	}
	if slices.ContainsFunc(plan.targets, (*Target).secure) {
		cfg.Secure = func(ctx context.Context, i int, nc net.Conn) (net.Conn, error) { return plan.target(i).wrap(ctx, nc) }
	}
	var err error
	c.Crowd, err = crowd.Connect(cfg)
	return c, err
}

func (p *clientPlan) target(i int) *Target { return p.targets[i%len(p.targets)] }

// client makes session i, which counts with the others of its loop.
func (c *clients) client(i, loop int) crowd.Client {
	if loop == len(c.tallies) {
		c.tallies = append(c.tallies, &tally{})
	}
	return &session{clients: c, tally: c.tallies[loop], index: i, expected: 1}
}

// isSlow spreads the slow ones over all.
func (c *clients) isSlow(i int) bool {
	return (i+1)*c.plan.slow/c.plan.size > i*c.plan.slow/c.plan.size
}

// handshake is the request of session i.
func (c *clients) handshake(i int) ([]byte, error) {
	p, query, user, target := &c.plan, url.Values{}, c.plan.user(i), c.plan.target(i)
	var channels []string
	if p.channel != "" {
		channels = []string{p.channel}
		query.Set("channels", p.channel)
	}
	authorization := ""
	if target.Token == nil {
		query.Set("user", user)
	} else {
		token, err := target.Token(user, channels)
		if err != nil {
			return nil, err
		}
		authorization = "Authorization: Bearer " + token + "\r\n"
	}
	protocol := ""
	if p.v1 {
		protocol = "Sec-WebSocket-Protocol: wirepost.v1\r\n"
	}
	return []byte(target.request("GET", "/ws", query) + authorization + protocol +
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + c.key + "\r\n\r\n"), nil
}

// upgraded counts a handshake.
func (c *clients) upgraded(took time.Duration) {
	c.handshakes.Lock()
	defer c.handshakes.Unlock()
	c.handshakes.add(took)
}

// stall is how long nothing may happen before a run gives up.
const stall = 15 * time.Second

var errStopped = errors.New("stopped")

// await waits until all are connected.
func (c *clients) await(ctx context.Context, progress func(string, ...any)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	before, since := 0, time.Now()
	for {
		select {
		case <-c.Ready():
			return nil
		case <-c.Broken():
			return c.Failure()
		case <-ctx.Done():
			return errStopped
		case now := <-tick.C:
			n := c.Connected()
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

func (c *clients) handshakeTimes() *histogram {
	c.handshakes.Lock()
	defer c.handshakes.Unlock()
	h := c.handshakes.histogram
	return &h
}
