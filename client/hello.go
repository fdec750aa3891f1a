package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// hello begins a connection: the server says who the user is, and names the channels.
func (c *Client) hello(ctx context.Context, l *link, f *wire.Frame) error {
	if l.greeted || f.User == "" || len(f.Channels) > maxPositions {
		return l.refuse(errors.New("its hello makes no sense"))
	}
	c.mu.Lock()
	if known := c.mu.positions.kept.User; known != "" && known != f.User {
		c.mu.Unlock()
		l.leave(wire.CloseNormal, "")
		return &storeError{fmt.Errorf("it holds the positions of user %q, and this client is connected as %q", known, f.User)}
	}
	s := c.mu.positions.settle(f, l.named)
	bookmark := c.mu.positions.bookmark()
	c.mu.Unlock()
	if s.changed {
		if err := c.opts.Store.Save(bookmark); err != nil {
			l.leave(wire.CloseNormal, "")
			return &storeError{err}
		}
	}
	if s.restart {
		l.leave(wire.CloseNormal, "")
		return errRestart
	}
	c.greet(ctx, l, f, s.newStore)
	return nil
}

// greet makes the connection the one for commands.
func (c *Client) greet(ctx context.Context, l *link, f *wire.Frame, newStore bool) {
	heartbeat := time.Duration(min(f.HeartbeatMS, time.Hour.Milliseconds())) * time.Millisecond
	if heartbeat <= 0 {
		heartbeat = 25 * time.Second
	}
	l.helloBy.Stop()
	l.conn.SetQuiet(heartbeat * 12 / 5) // as the server waits for the client
	unread := 0
	for _, state := range f.Channels {
		unread += max(0, state.Unread)
	}
	c.queue.offer(Connected{User: f.User, Device: f.Device, Connection: f.Connection, Unread: unread, NewStore: newStore})
	c.mu.Lock()
	l.greeted = true
	close(c.mu.up)
	c.resumeLocked(l, f)
	c.mu.Unlock()
	c.flushAcks()
	if f.Expires > 0 && c.opts.Token != nil {
		l.wg.Go(func() { l.refresh(ctx, &c.opts, f) })
	}
	select {
	case <-c.first:
	default:
		close(c.first)
	}
}

// resumeLocked sends the commands whose effect only this client remembers.
func (c *Client) resumeLocked(l *link, f *wire.Frame) {
	for channel := range c.mu.positions.wanted {
		c.resubscribeLocked(l, channel)
	}
	for channel, p := range c.mu.positions.byChannel {
		if p.wantRead > f.Channels[channel].Read && f.Channels[channel].Seq > f.Channels[channel].Read {
			l.conn.TryWrite(wire.AppendRead(nil, channel, p.wantRead))
		}
	}
}

func (c *Client) resubscribeLocked(l *link, channel string) {
	r := wire.Request{Type: "subscribe", Channel: channel, Presence: c.mu.rooms[channel] != nil}
	if seq, known := c.mu.positions.at(channel).from(); known {
		r.After = &seq
	}
	l.tryAsk(&r, func(f *wire.Frame) { c.resubscribed(l, &r, f) })
}

// resubscribed handles the response to a subscription of an earlier connection.
func (c *Client) resubscribed(l *link, r *wire.Request, f *wire.Frame) {
	if f == nil {
		return // the next connection subscribes
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.mu.positions.at(r.Channel)
	switch {
	case f.Type == "error" && f.ErrorCode() == wire.Unavailable: // the same
	case f.Type != "ok":
		delete(c.mu.positions.wanted, r.Channel)
		delete(c.mu.rooms, r.Channel)
		c.queue.offer(Unsubscribed{Channel: r.Channel, Err: commandError(f)})
	case f.Seq < p.received: // another log, see settle: subscribe to all of it
		p.forget()
		p.begun = true
		c.resubscribeLocked(l, r.Channel)
	default:
		p.subscribed(r.After, f.Seq)
		if room := c.mu.rooms[r.Channel]; room != nil {
			room.replace(f.Presence)
		}
	}
}
