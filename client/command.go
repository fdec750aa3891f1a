package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"

	"github.com/wirepost/wirepost/internal/wire"
)

// Publication is a message that a client publishes.
type Publication struct {
	To          string // a channel that the token, or its policy, allows
	Data        []byte // JSON, text or bytes, as ContentType says
	ContentType string // "" means application/json
	// ID makes a repeat within 24 hours change nothing; at most 128 bytes. "" means
	// a random one.
	ID string
	// Key, at most 128 bytes, makes the message replace the channel's earlier one
	// with the same key.
	Key string
}

// Published answers a Publication.
type Published struct {
	ID        string
	Seq       uint64
	Duplicate bool // it was there already
}

// Place is where a subscription begins.
type Place struct {
	Head    uint64 // the channel's last sequence
	Oldest  uint64 // the first live message; 0 for none
	Resumed bool   // everything behind the beginning is still there
}

// Publish publishes a message and waits for the server to have stored it. If the
// connection breaks meanwhile, or the server takes nothing at the moment, it is
// sent again until the context ends; its ID keeps it from being there twice. What
// the server refuses is a *CommandError.
func (c *Client) Publish(ctx context.Context, p Publication) (Published, error) {
	value, raw, err := wire.EncodeData(p.Data, p.ContentType)
	if err != nil {
		return Published{}, fmt.Errorf("publish to %s: %w", p.To, err)
	}
	if p.ID == "" {
		p.ID = rand.Text()
	}
	f, err := c.command(ctx, wire.Request{
		Type: "publish", To: p.To, Data: value, DataBase64: raw,
		ContentType: p.ContentType, ID: p.ID, Key: p.Key,
	}, nil)
	if err != nil {
		return Published{}, err
	}
	return Published{ID: f.ID, Seq: f.Seq, Duplicate: f.Duplicate}, nil
}

// Call asks the program that embeds the server (its Options.OnCall) and gives its
// reply. Params are encoded as JSON. Before it is sent it waits for a connection;
// if that breaks before the answer, the error is ErrInterrupted. What the server
// refuses is a *CommandError.
func (c *Client) Call(ctx context.Context, method string, params any) (json.RawMessage, error) {
	data, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	l, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	f, err := c.ask(ctx, l, wire.Request{Type: "call", Method: method, Data: data}, nil)
	if err != nil {
		return nil, err
	}
	return f.Data, nil
}

// Subscribe subscribes to a channel, until Unsubscribe or the end of the client: also
// over reconnects. It begins behind what was received of the channel, also as Store
// remembers it, else at its head.
func (c *Client) Subscribe(ctx context.Context, channel string) (Place, error) {
	c.mu.Lock()
	seq, known := c.placeLocked(channel).from()
	c.mu.Unlock()
	r := wire.Request{Type: "subscribe", Channel: channel}
	if known {
		r.After = &seq
	}
	return c.subscribe(ctx, r)
}

// SubscribeAfter is Subscribe from a sequence on, exclusive: 0 for all that is there.
// What came before comes again if it is behind that.
func (c *Client) SubscribeAfter(ctx context.Context, channel string, after uint64) (Place, error) {
	return c.subscribe(ctx, wire.Request{Type: "subscribe", Channel: channel, After: &after})
}

func (c *Client) subscribe(ctx context.Context, r wire.Request) (Place, error) {
	f, err := c.command(ctx, r, func(f *wire.Frame) { c.subscribed(&r, f) })
	if err != nil {
		return Place{}, err
	}
	return Place{Head: f.Seq, Oldest: f.Oldest, Resumed: f.Resumed}, nil
}

// subscribed takes the ok to a subscribe, before the first message.
func (c *Client) subscribed(r *wire.Request, f *wire.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.wanted[r.Channel] = true
	p := c.placeLocked(r.Channel)
	if f.Seq < p.received {
		p.forget() // another log, see settleLocked
	}
	switch {
	case r.After != nil && *r.After < p.received:
		// What is repeated on purpose is no repeat.
		p.received, p.yielded, p.handled = *r.After, *r.After, *r.After
		p.begin, p.begun = *r.After, true
	case r.After != nil:
		p.startAt(min(*r.After, f.Seq))
	case !p.member:
		p.startAt(f.Seq)
	}
}

// Unsubscribe ends a subscription; it ends no membership.
func (c *Client) Unsubscribe(ctx context.Context, channel string) error {
	c.mu.Lock()
	delete(c.mu.wanted, channel)
	c.mu.Unlock()
	_, err := c.command(ctx, wire.Request{Type: "unsubscribe", Channel: channel}, nil)
	return err
}

// MarkRead moves the user's read mark in the inbox, all or a membership, on all
// devices; it acknowledges nothing. It does not wait: without a connection the next
// one brings it. The answer is a State, if the mark moved, or a Refused.
func (c *Client) MarkRead(channel string, seq uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.end != nil || c.mu.leaving {
		return ErrClosed
	}
	p := c.placeLocked(channel)
	p.wantRead = max(p.wantRead, seq)
	if l := c.mu.link; l != nil && l.greeted {
		l.conn.TryWrite(wire.AppendRead(nil, channel, seq))
	}
	return nil
}

// command asks until there is an answer.
func (c *Client) command(ctx context.Context, r wire.Request, onOK func(*wire.Frame)) (*wire.Frame, error) {
	wait := backoff{first: c.opts.MinWait, limit: c.opts.MaxWait}
	for {
		l, err := c.connected(ctx)
		if err != nil {
			return nil, err
		}
		f, err := c.ask(ctx, l, r, onOK)
		switch {
		case err == ErrInterrupted:
		case isCode(err, wire.Unavailable):
			if !sleep(ctx, wait.next()) {
				return nil, err
			}
		default:
			return f, err
		}
	}
}

// connected waits for a connection.
func (c *Client) connected(ctx context.Context) (*link, error) {
	for {
		c.mu.Lock()
		l, up, end := c.mu.link, c.mu.up, c.mu.end
		if c.mu.leaving && end == nil {
			end = ErrClosed
		}
		ready := l != nil && l.greeted
		c.mu.Unlock()
		switch {
		case end != nil:
			return nil, end
		case ready:
			return l, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ask sends a command and waits for its answer; ErrInterrupted if the connection
// ends before. OnOK is called with it in its place among the frames.
func (c *Client) ask(ctx context.Context, l *link, r wire.Request, onOK func(*wire.Frame)) (*wire.Frame, error) {
	answers := make(chan *wire.Frame, 1)
	c.mu.Lock()
	if l.pending == nil {
		c.mu.Unlock()
		return nil, ErrInterrupted
	}
	text := c.refLocked(l, &r, func(f *wire.Frame) {
		if f != nil && f.Type == "ok" && onOK != nil {
			onOK(f)
		}
		answers <- f
	})
	ref := c.mu.ref
	c.mu.Unlock()
	if err := l.conn.Write(ctx, false, text); err != nil && err != net.ErrClosed {
		c.withdraw(l, ref)
		return nil, err
	}
	select {
	case f := <-answers:
		switch {
		case f == nil:
			return nil, ErrInterrupted
		case f.Type == "error":
			return nil, commandError(f)
		}
		return f, nil
	case <-ctx.Done():
		c.withdraw(l, ref)
		return nil, ctx.Err()
	}
}

// withdraw forgets a command that nobody waits for any more.
func (c *Client) withdraw(l *link, ref uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(l.pending, ref)
}

// refLocked gives a command its ref, and writes it.
func (c *Client) refLocked(l *link, r *wire.Request, answered func(*wire.Frame)) []byte {
	c.mu.ref++
	r.Ref = c.mu.ref
	l.pending[r.Ref] = answered
	return wire.Encode(r)
}

func commandError(f *wire.Frame) error {
	return &CommandError{Code: f.ErrorCode(), Message: f.Message}
}
