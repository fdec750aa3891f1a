package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Client receives as one device of a user, over as many connections as it takes. Its
// methods are safe for concurrent use, but there is one loop over Messages at a time.
// The caller of Dial calls Close.
type Client struct {
	// Static.
	nodes []endpoint
	opts  Options
	queue *queue
	leave context.CancelFunc // cancels what run waits for
	first chan struct{}      // closed with the first hello
	done  chan struct{}      // closed when run has ended

	ackMessage func(*Message) error // c.ack, made once for all messages

	ranging atomic.Bool
	closing sync.Once

	// Held while sending by dial.Conn.TryWrite, which does not wait; never during work
	// of the store, the program or the network.
	mu struct {
		sync.Mutex
		positions positions
		rooms     map[string]*Room // by channel

		link    *link         // nil while there is no connection
		up      chan struct{} // closed when there is one, or err
		err     error         // why the client has ended
		leaving bool          // Close was called

		acks ackBatch
	}
}

// Dial connects as the user that the token, or the URL's query in dev mode, names.
// The URL's scheme is ws, wss, http or https, or unix for a Unix socket, followed by
// the path of the request: unix:/run/wirepost.sock:/ws. Options.Nodes has the URLs of the
// other nodes of a cluster. Dial returns after the server's hello. It repeats attempts that
// failed for a reason that may pass until the context ends; the context does not bound the
// client that Dial returns.
func Dial(ctx context.Context, rawURL string, o Options) (*Client, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	nodes, err := parseNodes(&o, rawURL)
	if err != nil {
		return nil, err
	}
	c := &Client{
		nodes: nodes, opts: o, queue: newQueue(),
		first: make(chan struct{}), done: make(chan struct{}),
	}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.ackMessage = c.ack
	c.mu.up = make(chan struct{})
	c.mu.rooms = map[string]*Room{}
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

// await waits for the first hello. No loop ranges over Messages yet, so it reports
// failed attempts itself.
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
				return nil // Messages has what was received before
			default:
				return c.failure()
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

// load begins with what the store keeps.
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
		return fmt.Errorf("client: the store has the cursors of the device %q, not %q", s.Device, c.opts.Device)
	default:
		s.Device = c.opts.Device
	}
	c.mu.positions = newPositions(s, &c.opts)
	return nil
}

// Close sends the acknowledgements that wait, does the closing handshake (5 s at
// most), and waits for all goroutines of the client. The error is the store's. A
// second call does nothing.
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
			l.conn.Close(1000, "") //nolint:errcheck // it is closed either way
		}
		<-c.done
		c.mu.Lock()
		c.mu.acks.timer.Stop()
		c.mu.Unlock()
		err = c.opts.Store.Close()
	})
	return err
}

// finish is called by run when it ends.
func (c *Client) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.leaving {
		err = ErrClosed
	}
	c.mu.err = err
	close(c.mu.up)
	c.queue.finish(err, c.mu.leaving)
}

// failure is why the client has ended.
func (c *Client) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err
}

// User is the user that the server knows this client as.
func (c *Client) User() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.positions.kept.User
}

// Inbox is the name of the user's inbox.
func (c *Client) Inbox() string { return inboxOf(c.User()) }

// Unread is how many messages of a channel the user has not read, including those that
// this device has not received yet. The client counts messages and revocations as they
// come; a State corrects the count where that is not exact, as after messages expired.
func (c *Client) Unread(channel string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.mu.positions.byChannel[channel]; p != nil {
		return p.unread
	}
	return 0
}
