package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// run connects again and again until the client is closed or refused.
func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	t := tries{opts: &c.opts, backoff: backoff{first: c.opts.MinWait, limit: c.opts.MaxWait}}
	for {
		l := &link{pending: map[uint64]func(*wire.Frame){}, broken: make(chan struct{})}
		err := c.connect(ctx, l)
		if ctx.Err() != nil {
			c.finish(ErrClosed)
			return
		}
		wait, again := t.after(l, err)
		if !again {
			c.finish(err)
			return
		}
		c.queue.news(Disconnected{Err: err, Retry: wait})
		if !sleep(ctx, wait) {
			c.finish(ErrClosed)
			return
		}
	}
}

// tries decides what follows the end of a connection.
type tries struct {
	opts         *Options
	backoff      backoff
	connected    bool // there was a hello, ever
	unauthorized int  // refusals of the token, one after the other
}

// errElsewhere says that the connection began at places that mean nothing in the
// server's store: the next one begins anew.
var errElsewhere = errors.New("the server's data are new: beginning anew")

// after says whether to connect again, and when.
func (t *tries) after(l *link, err error) (wait time.Duration, again bool) {
	if l.greeted {
		t.connected = true
		if time.Since(l.began) >= t.backoff.first {
			t.backoff.reset()
		}
	}
	if errors.Is(err, errElsewhere) {
		return 0, true
	}
	if isUnauthorized(err) {
		t.unauthorized++
		// A new token is worth one more try, or two: they may have crossed.
		if t.opts.Token == nil || t.unauthorized > 2 {
			return 0, false
		}
		return t.backoff.next(), true
	}
	if l.greeted {
		t.unauthorized = 0
	}
	if !t.mayRetry(l, err) {
		return 0, false
	}
	if wait = l.retryAfter; wait == 0 {
		wait = t.backoff.next()
	}
	return wait, true
}

func isUnauthorized(err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Status == http.StatusUnauthorized && !e.foreign
	}
	e, ok := errors.AsType[*CloseError](err)
	return ok && e.Code == wire.CloseUnauthorized
}

// mayRetry says whether another connection may go better. What is not the server's
// own word ends a client only if the server was never reached: the address may be
// wrong. Later it comes from something in between, and may pass.
func (t *tries) mayRetry(l *link, err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Temporary() || e.foreign && t.connected
	}
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.MayReconnect() || !l.greeted && e.Code < 4000 && t.connected
	}
	if _, ok := errors.AsType[*dial.HandshakeError](err); ok {
		return t.connected
	}
	if _, ok := errors.AsType[*url.Error](err); ok || errors.Is(err, ErrProtocol) {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return t.connected // it may be about to be replaced
	}
	_, store := errors.AsType[*storeError](err)
	return !store
}

// connect makes a connection, serves it, and says why it ended.
func (c *Client) connect(ctx context.Context, l *link) error {
	if err := c.open(ctx, l); err != nil {
		return err
	}
	defer l.conn.CloseNow() // closed already, unless something failed
	// A server may send pings for ever and never say hello.
	l.helloBy = time.AfterFunc(handshakeTimeout, l.conn.CloseNow)
	defer l.helloBy.Stop()
	err := c.serve(ctx, l)
	c.unlink(l)
	l.wg.Wait()
	return err
}

// open dials.
func (c *Client) open(ctx context.Context, l *link) error {
	dialing, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	header := c.opts.Header.Clone()
	if c.opts.Token != nil {
		token, err := c.opts.Token(dialing)
		if err != nil {
			return fmt.Errorf("get a token: %w", err)
		}
		if header == nil {
			header = http.Header{}
		}
		header.Set("Authorization", "Bearer "+token)
	}
	c.mu.Lock()
	device := c.mu.state.Device
	after, named := c.afterLocked()
	c.mu.Unlock()
	l.named = named
	conn, err := dial.Dial(dialing, address(c.base, device, c.opts.Channels, after), dial.Options{
		Header: header, Subprotocols: []string{wire.ProtocolV1}, Deflate: true,
		MaxMessage: c.opts.MaxMessage, TLSConfig: c.opts.TLSConfig, DialContext: c.opts.DialContext, Proxy: c.opts.Proxy,
	})
	if err != nil {
		return l.wordDial(err)
	}
	l.conn, l.began = conn, time.Now()
	conn.SetQuiet(handshakeTimeout) // until hello says better
	if conn.Subprotocol() != wire.ProtocolV1 {
		conn.CloseNow()
		return l.wordDial(&dial.HandshakeError{Reason: "another subprotocol was chosen"})
	}
	if !c.linkTo(l) {
		conn.CloseNow()
		return ErrClosed
	}
	return nil
}

// wordDial gives errors of the handshake the types of this package.
func (l *link) wordDial(err error) error {
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

// linkTo makes the connection the client's, so that Close finds it.
func (c *Client) linkTo(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mu.leaving {
		c.mu.link = l
	}
	return !c.mu.leaving
}

// unlink takes an ended connection away; what waits for its answers is told.
func (c *Client) unlink(l *link) {
	c.mu.Lock()
	if c.mu.link == l {
		c.mu.link = nil
	}
	if l.greeted {
		c.mu.up = make(chan struct{})
	}
	close(l.broken)
	pending := l.pending
	l.pending = nil
	c.mu.Unlock()
	for _, answered := range pending {
		answered(nil)
	}
}
