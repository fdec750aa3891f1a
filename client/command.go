package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

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

// Published is the result of a Publication.
type Published struct {
	ID        string
	Seq       uint64
	Duplicate bool // it was stored before
}

// Publish publishes a message and returns when the server has stored it. If the
// connection breaks meanwhile, or the server is unavailable, the message is sent again
// until the context ends; its ID keeps it from being stored twice. A refusal by the
// server is a *CommandError.
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

// Call calls a method of the program that embeds the server (its Options.OnCall) and
// returns its reply. Params are encoded as JSON. Call waits for a connection before it
// sends; if that breaks before the reply, the error is ErrInterrupted. A refusal by
// the server is a *CommandError.
func (c *Client) Call(ctx context.Context, method string, params any) (json.RawMessage, error) {
	data, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	l, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	f, err := l.ask(ctx, wire.Request{Type: "call", Method: method, Data: data}, nil)
	if err != nil {
		return nil, err
	}
	return f.Data, nil
}

// MarkRead moves the user's read mark in the inbox, all or a membership, on all
// devices; it acknowledges nothing. It does not wait: without a connection the next
// one sends it. A State reports that the mark moved, a Refused that it cannot.
func (c *Client) MarkRead(channel string, seq uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil || c.mu.leaving {
		return ErrClosed
	}
	p := c.mu.positions.at(channel)
	p.wantRead = max(p.wantRead, seq)
	if l := c.mu.link; l != nil && l.greeted {
		l.conn.TryWrite(wire.AppendRead(nil, channel, seq))
	}
	return nil
}

// command sends a command until there is a response to it.
func (c *Client) command(ctx context.Context, r wire.Request, onOK func(*wire.Frame)) (*wire.Frame, error) {
	wait := backoff{first: c.opts.MinWait, limit: c.opts.MaxWait}
	for {
		l, err := c.connected(ctx)
		if err != nil {
			return nil, err
		}
		f, err := l.ask(ctx, r, onOK)
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
		l, up, err := c.mu.link, c.mu.up, c.mu.err
		if c.mu.leaving && err == nil {
			err = ErrClosed
		}
		ready := l != nil && l.greeted
		c.mu.Unlock()
		switch {
		case err != nil:
			return nil, err
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
