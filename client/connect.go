package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// run makes one connection after the other until the client is closed or refused.
func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	r := newRetry(&c.opts, len(c.nodes))
	for {
		l := newLink()
		err := c.connect(ctx, l, &c.nodes[r.node])
		if ctx.Err() != nil {
			c.finish(ErrClosed)
			return
		}
		wait, again := r.after(l, err)
		if !again {
			c.finish(err)
			return
		}
		c.queue.offer(Disconnected{Err: err, Retry: wait})
		if !sleep(ctx, wait) {
			c.finish(ErrClosed)
			return
		}
	}
}

// connect makes a connection to a node and serves it; the error says why it ended.
func (c *Client) connect(ctx context.Context, l *link, node *endpoint) error {
	if err := c.open(ctx, l, node); err != nil {
		return err
	}
	defer l.conn.CloseNow() // closed already, unless something failed
	// A server may send pings for ever and never say hello.
	l.helloBy = time.AfterFunc(handshakeTimeout, l.conn.CloseNow)
	defer l.helloBy.Stop()
	err := c.serve(ctx, l)
	c.detach(l)
	l.wg.Wait()
	return err
}

// open dials.
func (c *Client) open(ctx context.Context, l *link, node *endpoint) error {
	dialing, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	header := c.opts.Header.Clone()
	if c.opts.Token != nil {
		token, err := c.opts.Token(dialing)
		if err != nil {
			return &tokenError{err}
		}
		if header == nil {
			header = http.Header{}
		}
		header.Set("Authorization", "Bearer "+token)
	}
	c.mu.Lock()
	device := c.mu.positions.kept.Device
	after, named := c.mu.positions.resume()
	minSeq := c.mu.positions.minSeq(named)
	c.mu.Unlock()
	l.named = named
	conn, err := dial.Dial(dialing, address(node.base, device, c.opts.Channels, after, minSeq), dial.Options{
		Header: header, Subprotocols: []string{wire.ProtocolV1}, Deflate: true,
		MaxMessage: c.opts.MaxMessage, TLSConfig: c.opts.TLSConfig, DialContext: node.dial, Proxy: node.proxy,
	})
	if err != nil {
		return dialError(l, err)
	}
	l.conn, l.began = conn, time.Now()
	conn.SetQuiet(handshakeTimeout) // until the hello says how long
	if conn.Subprotocol() != wire.ProtocolV1 {
		conn.CloseNow()
		return dialError(l, &dial.HandshakeError{Reason: "another subprotocol was chosen"})
	}
	if !c.attach(l) {
		conn.CloseNow()
		return ErrClosed
	}
	return nil
}

// dialError gives errors of the handshake the types of this package.
func dialError(l *link, err error) error {
	if no, ok := errors.AsType[*dial.Refusal](err); ok {
		e := refused(no.Status, no.Header, no.Body)
		l.retryAfter = e.RetryAfter
		return e
	}
	if _, ok := errors.AsType[*dial.HandshakeError](err); ok {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return err
}

// attach makes the connection the client's, so that Close finds it.
func (c *Client) attach(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mu.leaving {
		c.mu.link = l
	}
	return !c.mu.leaving
}

// detach removes a connection that has ended, and interrupts its commands.
func (c *Client) detach(l *link) {
	c.mu.Lock()
	if c.mu.link == l {
		c.mu.link = nil
	}
	if l.greeted {
		c.mu.up = make(chan struct{})
	}
	close(l.broken)
	c.mu.Unlock()
	l.interrupt()
}
