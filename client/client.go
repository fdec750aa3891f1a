package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
)

// Client is one user's device at a server, over as many connections as it takes.
// Its methods are safe for concurrent use, but there is one loop over Messages at a
// time. Who made it calls Close.
type Client struct {
	// Static.
	base  *url.URL
	opts  Options
	queue *queue
	leave context.CancelFunc // of what run waits for
	first chan struct{}      // closed with the first hello
	done  chan struct{}      // closed when run has ended

	ranging atomic.Bool
	closing sync.Once

	// Held while sending to a dial.Conn, which never waits then; never during work
	// of the store, the program or the network.
	mu struct {
		sync.Mutex
		state  Bookmark // what the store keeps, but for the cursors: those are in places
		places map[string]*place
		after  map[string]uint64 // of Options, until the server's store is another one
		wanted map[string]bool   // subscribed by Subscribe

		link    *link         // nil while there is no connection
		up      chan struct{} // closed when there is one, or the end
		end     error         // why the client has ended
		leaving bool          // Close was called
		ref     uint64        // of the last command

		acks ackBatch
	}
}

// Dial connects as the user that the token, or the URL's query in dev mode, names.
// The URL's scheme is ws, wss, http or https, or it is that of a Unix socket with the
// path behind it, unix:/run/wirepost.sock:/ws. Dial returns when the server has said
// hello. What another try would change it tries again until the context ends, which
// bounds Dial alone: give it one with a deadline where that matters.
func Dial(ctx context.Context, rawURL string, o Options) (*Client, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if rest, dialUnix, ok := dial.Unix(rawURL); ok {
		rawURL, o.DialContext, o.Proxy = rest, dialUnix, nil
	}
	base, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		base: base, opts: o, queue: newQueue(),
		first: make(chan struct{}), done: make(chan struct{}),
	}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.mu.up = make(chan struct{})
	c.mu.after, c.mu.wanted = maps.Clone(o.After), map[string]bool{}
	c.mu.acks.timer = time.AfterFunc(time.Hour, c.flushAcks)
	c.mu.acks.timer.Stop()
	var run context.Context
	run, c.leave = context.WithCancel(context.WithoutCancel(ctx))
	go c.run(run)
	if err := c.await(ctx); err != nil {
		c.Close() //nolint:errcheck // there was no connection
		return nil, err
	}
	return c, nil
}

// await waits for the first hello. Nobody ranges over Messages yet, so it tells by
// itself of attempts that failed.
func (c *Client) await(ctx context.Context) error {
	var last error
	for {
		select {
		case <-c.first:
			notify(c.queue.more)
			return nil
		case <-c.done:
			select {
			case <-c.first:
				return nil // Messages has what came before the end
			default:
				return c.ended()
			}
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-c.queue.more:
		}
		for e := c.queue.failed(); e != nil; e = c.queue.failed() {
			last = e.Err
			c.opts.OnEvent(*e)
		}
	}
}

// load takes over what the store keeps.
func (c *Client) load() error {
	s, err := c.opts.Store.Load()
	if err != nil {
		return err
	}
	_, forgets := c.opts.Store.(*memoryStore)
	switch {
	case c.opts.Device == "":
		if s.Device == "" && !forgets {
			s.Device = strings.ToLower(rand.Text()[:16])
		}
	case s.Device != "" && s.Device != c.opts.Device:
		return fmt.Errorf("client: the store is that of the device %q, not %q", s.Device, c.opts.Device)
	default:
		s.Device = c.opts.Device
	}
	c.mu.places = map[string]*place{}
	for channel, seq := range s.Cursors {
		c.mu.places[channel] = &place{channel: channel, received: seq, yielded: seq, handled: seq}
	}
	s.Cursors = nil
	c.mu.state = s
	return nil
}

// Close sends what is still to be acknowledged, does the closing handshake (5 s at
// most), and waits for all goroutines of the client. What it returns is the store's
// error. To close again does nothing.
func (c *Client) Close() (err error) {
	c.closing.Do(func() {
		c.mu.Lock()
		c.mu.leaving = true
		l := c.mu.link
		c.mu.Unlock()
		c.flushAcks()
		c.queue.finish(ErrClosed, true)
		c.leave()
		if l != nil {
			l.conn.Close(1000, "") //nolint:errcheck // it is over either way
		}
		<-c.done
		c.mu.Lock()
		c.mu.acks.timer.Stop()
		c.mu.Unlock()
		err = c.opts.Store.Close()
	})
	return err
}

// finish is run's last word.
func (c *Client) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.leaving {
		err = ErrClosed
	}
	c.mu.end = err
	close(c.mu.up)
	c.queue.finish(err, c.mu.leaving)
}

func (c *Client) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.end
}

// User is who the server takes this client for.
func (c *Client) User() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.state.User
}

// Inbox is the name of the user's inbox.
func (c *Client) Inbox() string { return inboxOf(c.User()) }

// Unread is how many messages of a channel the user has not read: those that wait
// for this device count too. Messages and revocations are counted as they come; a
// State sets it right where that is not exact, as with messages whose time to live
// ends.
func (c *Client) Unread(channel string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.mu.places[channel]; p != nil {
		return p.unread
	}
	return 0
}
