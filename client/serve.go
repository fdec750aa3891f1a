package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/internal/wire"
)

// serve handles frames until the connection ends.
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
		if err := c.handle(ctx, l, f); err != nil {
			return err
		}
	}
}

// handle handles one frame. It ignores types that it does not know, as the protocol
// asks.
func (c *Client) handle(ctx context.Context, l *link, f *wire.Frame) error {
	switch f.Type {
	case "hello":
		return c.hello(ctx, l, f)
	case "ok", "reply", "error":
		if !l.respond(f) && f.Type == "error" { // to an acknowledgement or a read
			c.queue.offer(Refused{Err: commandError(f)})
		}
	case "bye":
		l.retryAfter = bounded(f.RetryAfterMS)
	case "presence":
		c.handlePresence(f)
	case "message":
		return c.handleMessage(ctx, l, f)
	case "revoke":
		return c.handleRevoke(ctx, l, f)
	case "gap", "state", "subscribed", "unsubscribed":
		return c.handleNotice(ctx, l, f)
	}
	return nil
}

func (c *Client) handleMessage(ctx context.Context, l *link, f *wire.Frame) error {
	m, err := newMessage(f)
	if err != nil {
		return l.refuse(err)
	}
	m.ack = c.ackMessage
	return c.handleRecord(ctx, l, f, m, m.weight(), func(p *position, epoch string) {
		m.epoch = epoch
		p.count(m)
	})
}

func (c *Client) handleRevoke(ctx context.Context, l *link, f *wire.Frame) error {
	r := &revocation{Revoked: Revoked{Channel: f.Channel, Seq: f.Seq, Revoked: f.Revoked, ID: f.ID}}
	return c.handleRecord(ctx, l, f, r, 0, func(p *position, epoch string) {
		r.epoch = epoch
		p.uncount(&r.Revoked)
	})
}

// handleRecord queues a record of a channel's log, unless it was received before.
// Note is called with its position and the epoch.
func (c *Client) handleRecord(ctx context.Context, l *link, f *wire.Frame, e Event, weight int, note func(*position, string)) error {
	c.mu.Lock()
	p := c.mu.positions.at(f.Channel)
	repeated := p.repeats(f.Seq)
	if repeated && f.Seq <= p.handled {
		c.ackLocked(p, weight) // the earlier acknowledgement was lost
	}
	note(p, c.mu.positions.kept.Epoch)
	tooMany := c.mu.positions.tooMany()
	c.mu.Unlock()
	switch {
	case tooMany:
		return l.refuse(errTooMany)
	case !repeated:
		c.queue.push(ctx, e)
	}
	return nil
}

var errTooMany = fmt.Errorf("it names more than %d channels", maxPositions)

func (c *Client) handleNotice(ctx context.Context, l *link, f *wire.Frame) error {
	c.mu.Lock()
	e := c.mu.positions.notice(f)
	tooMany := c.mu.positions.tooMany()
	c.mu.Unlock()
	switch {
	case tooMany:
		return l.refuse(errTooMany)
	case e != nil:
		c.queue.push(ctx, e)
	}
	return nil
}
