package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// hello begins a connection: the server's account of who and where we are.
func (c *Client) hello(ctx context.Context, l *link, f *wire.Frame) error {
	if l.greeted || f.User == "" || len(f.Channels) > maxPlaces {
		return l.refuse(errors.New("its hello makes no sense"))
	}
	c.mu.Lock()
	if known := c.mu.state.User; known != "" && known != f.User {
		c.mu.Unlock()
		l.leave(wire.CloseNormal, "")
		return &storeError{fmt.Errorf("the places kept are those of user %q, the server takes this client for %q", known, f.User)}
	}
	changed, elsewhere := c.settleLocked(l, f)
	state := c.stateLocked()
	c.mu.Unlock()
	if changed {
		if err := c.opts.Store.Save(state); err != nil {
			l.leave(wire.CloseNormal, "")
			return &storeError{err}
		}
	}
	if elsewhere {
		l.leave(wire.CloseNormal, "")
		return errElsewhere
	}
	c.greet(ctx, l, f)
	return nil
}

// settleLocked compares the server's account with ours. Changed says that what the
// store keeps is another thing now; elsewhere, that this connection began where it
// should not have.
func (c *Client) settleLocked(l *link, f *wire.Frame) (changed, elsewhere bool) {
	s := &c.mu.state
	changed = s.User != f.User || s.Epoch != f.Epoch
	l.fresh = s.Epoch != "" && s.Epoch != f.Epoch
	if l.fresh {
		for _, p := range c.mu.places {
			p.forget()
		}
		c.mu.after = nil
		elsewhere = len(l.named) > 0
	}
	s.User, s.Epoch = f.User, f.Epoch
	for _, p := range c.mu.places {
		p.member = false
	}
	for channel, at := range f.Channels {
		p := c.placeLocked(channel)
		if at.Seq < p.received {
			// A log that ends before what came from it is another one: that of a channel
			// in memory, whose server was started again.
			p.forget()
			p.begun, changed = true, true
			_, named := l.named[channel]
			elsewhere = elsewhere || named
		}
		p.member = !slices.Contains(c.opts.Channels, channel)
		p.read, p.unread, p.counted, p.keys = at.Read, max(0, at.Unread), at.Seq, nil
	}
	if !elsewhere {
		c.beginLocked(l, f)
	}
	return changed, elsewhere
}

// beginLocked notes where the subscriptions asked for began.
func (c *Client) beginLocked(l *link, f *wire.Frame) {
	for channel, seq := range l.named {
		c.placeLocked(channel).startAt(seq)
	}
	for _, channel := range c.opts.Channels {
		// A channel without read mark or anything unread is no membership, or an
		// empty one: it begins at the head.
		if at, ok := f.Channels[channel]; ok && at.Read == 0 && at.Unread == 0 {
			c.placeLocked(channel).startAt(at.Seq)
		}
	}
}

func (p *place) startAt(seq uint64) {
	if !p.begun {
		p.begin, p.begun = seq, true
	}
}

// greet makes the connection the one for commands.
func (c *Client) greet(ctx context.Context, l *link, f *wire.Frame) {
	heartbeat := time.Duration(min(f.HeartbeatMS, time.Hour.Milliseconds())) * time.Millisecond
	if heartbeat <= 0 {
		heartbeat = 25 * time.Second
	}
	l.helloBy.Stop()
	l.conn.SetQuiet(heartbeat * 12 / 5) // as the server waits for the client
	unread := 0
	for _, at := range f.Channels {
		unread += max(0, at.Unread)
	}
	c.queue.news(Connected{User: f.User, Device: f.Device, Connection: f.Connection, Unread: unread, NewStore: l.fresh})
	c.mu.Lock()
	l.greeted = true
	close(c.mu.up)
	c.resumeLocked(l, f)
	c.mu.Unlock()
	c.flushAcks()
	if f.Expires > 0 && c.opts.Token != nil {
		l.wg.Go(func() { c.refresh(ctx, l, f) })
	}
	select {
	case <-c.first:
	default:
		close(c.first)
	}
}

// resumeLocked asks again for what only this client remembers.
func (c *Client) resumeLocked(l *link, f *wire.Frame) {
	for channel := range c.mu.wanted {
		c.resubscribeLocked(l, channel)
	}
	for channel, p := range c.mu.places {
		if p.wantRead > f.Channels[channel].Read && f.Channels[channel].Seq > f.Channels[channel].Read {
			l.conn.TryWrite(wire.AppendRead(nil, channel, p.wantRead))
		}
	}
}

func (c *Client) resubscribeLocked(l *link, channel string) {
	r := wire.Request{Type: "subscribe", Channel: channel}
	if seq, known := c.placeLocked(channel).from(); known {
		r.After = &seq
	}
	l.conn.TryWrite(c.refLocked(l, &r, func(f *wire.Frame) { c.resubscribed(l, &r, f) }))
}

// resubscribed takes the answer to a subscription that there was before.
func (c *Client) resubscribed(l *link, r *wire.Request, f *wire.Frame) {
	switch {
	case f == nil, f.Type == "error" && f.ErrorCode() == wire.Unavailable:
		// It is asked for again at the next connection.
	case f.Type != "ok":
		c.mu.Lock()
		delete(c.mu.wanted, r.Channel)
		c.mu.Unlock()
		c.queue.news(Unsubscribed{Channel: r.Channel, Err: commandError(f)})
	case c.beganAnew(l, r.Channel, f.Seq):
	default:
		c.subscribed(r, f)
	}
}

// beganAnew subscribes to all of a log that is not the one of before, see
// settleLocked.
func (c *Client) beganAnew(l *link, channel string, head uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.placeLocked(channel)
	if head >= p.received {
		return false
	}
	p.forget()
	p.begun = true
	c.resubscribeLocked(l, channel)
	return true
}
