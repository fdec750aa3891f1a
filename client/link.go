package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// link is one connection of a client.
type link struct {
	// Owned by run; conn, began and named are static once dialed.
	conn       *dial.Conn
	began      time.Time
	named      map[string]uint64 // where it began, in the channels whose place we named
	retryAfter time.Duration     // as its bye or refusal said
	helloBy    *time.Timer
	fresh      bool           // the server's store is not that of the last time
	wg         sync.WaitGroup // of what it started

	broken chan struct{} // closed when the connection has ended

	// Guarded by Client.mu.
	greeted bool                         // there was a hello
	pending map[uint64]func(*wire.Frame) // by ref, told nil at the end; nil when ended
}

// serve takes frames until the connection ends.
func (c *Client) serve(ctx context.Context, l *link) error {
	for {
		text, binary, err := l.conn.Read()
		if err != nil {
			return closeError(err)
		}
		if binary {
			return l.refuse(errors.New("a binary frame"))
		}
		f, err := wire.ParseFrame(text)
		if err != nil {
			return l.refuse(err)
		}
		if err := c.take(ctx, l, f); err != nil {
			return err
		}
	}
}

// refuse ends a connection to a server that does not keep to the protocol.
func (l *link) refuse(why error) error {
	l.leave(wire.CloseUnsupported, "no frame of "+wire.ProtocolV1)
	return fmt.Errorf("%w: %w", ErrProtocol, why)
}

// leave does the closing handshake, by the goroutine that reads.
func (l *link) leave(code int, reason string) {
	l.wg.Go(func() { l.conn.Close(code, reason) }) //nolint:errcheck // it is over either way
	for err := error(nil); err == nil; {
		_, _, err = l.conn.Read()
	}
}

// take handles one frame. What it does not know it ignores, as the protocol asks.
func (c *Client) take(ctx context.Context, l *link, f *wire.Frame) error {
	if f.Type == "hello" {
		return c.hello(ctx, l, f)
	}
	switch f.Type {
	case "ok", "reply", "error":
		c.answer(l, f)
	case "bye":
		l.retryAfter = bounded(f.RetryAfterMS)
	case "message":
		return c.takeMessage(ctx, l, f)
	case "revoke":
		return c.takeRevoke(ctx, l, f)
	case "gap", "state", "subscribed", "unsubscribed":
		return c.takeNews(ctx, l, f)
	}
	return nil
}

// answer hands the answer to a command to whom it concerns.
func (c *Client) answer(l *link, f *wire.Frame) {
	var ref uint64
	if json.Unmarshal(f.Ref, &ref) != nil {
		if f.Type == "error" { // to an acknowledgement or a read
			c.queue.news(Refused{Err: commandError(f)})
		}
		return
	}
	c.mu.Lock()
	answered := l.pending[ref]
	delete(l.pending, ref)
	c.mu.Unlock()
	if answered != nil {
		answered(f)
	}
}

func (c *Client) takeMessage(ctx context.Context, l *link, f *wire.Frame) error {
	m, err := newMessage(f)
	if err != nil {
		return l.refuse(err)
	}
	m.client = c
	c.mu.Lock()
	p := c.placeLocked(m.Channel)
	m.epoch = c.mu.state.Epoch
	repeated := p.repeats(m.Seq)
	if repeated && m.Seq <= p.handled {
		c.ackLocked(p, m.weight()) // what told the server before was lost
	}
	p.count(m)
	full := c.crowdedLocked()
	c.mu.Unlock()
	switch {
	case full:
		return l.refuse(errCrowded)
	case !repeated:
		c.queue.push(ctx, m)
	}
	return nil
}

var errCrowded = fmt.Errorf("it names more than %d channels", maxPlaces)

func (c *Client) crowdedLocked() bool { return len(c.mu.places) > maxPlaces }

func (c *Client) takeRevoke(ctx context.Context, l *link, f *wire.Frame) error {
	r := &revocation{Revoked: Revoked{Channel: f.Channel, Seq: f.Seq, Revoked: f.Revoked, ID: f.ID}}
	c.mu.Lock()
	p := c.placeLocked(f.Channel)
	r.epoch = c.mu.state.Epoch
	repeated := p.repeats(f.Seq)
	if repeated && f.Seq <= p.handled {
		c.ackLocked(p, 0)
	}
	p.uncount(&r.Revoked)
	full := c.crowdedLocked()
	c.mu.Unlock()
	switch {
	case full:
		return l.refuse(errCrowded)
	case !repeated:
		c.queue.push(ctx, r)
	}
	return nil
}

func (c *Client) takeNews(ctx context.Context, l *link, f *wire.Frame) error {
	c.mu.Lock()
	e := c.newsLocked(f)
	full := c.crowdedLocked()
	c.mu.Unlock()
	switch {
	case full:
		return l.refuse(errCrowded)
	case e != nil:
		c.queue.push(ctx, e)
	}
	return nil
}

func (c *Client) newsLocked(f *wire.Frame) Event {
	p := c.placeLocked(f.Channel)
	switch f.Type {
	case "gap":
		if f.ResumedAt > 0 && f.ResumedAt <= p.received {
			return nil // told before
		}
		return Gap{Channel: f.Channel, After: f.After, ResumedAt: f.ResumedAt}
	case "state":
		p.read, p.unread = f.Read, max(0, f.Unread)
		// As of which message the server does not say; mostly it is the last.
		p.counted = max(p.counted, p.received, f.Seq)
		return State{Channel: f.Channel, Read: f.Read, Unread: p.unread}
	case "subscribed":
		p.member = true
		return Subscribed{Channel: f.Channel}
	}
	p.member = false
	delete(c.mu.wanted, f.Channel)
	return Unsubscribed{Channel: f.Channel}
}
