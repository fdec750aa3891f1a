package client

import (
	"context"

	"github.com/wirepost/wirepost/internal/wire"
)

// Subscription is the result of Subscribe.
type Subscription struct {
	Head    uint64 // the channel's last sequence
	Oldest  uint64 // the first live message; 0 for none
	Resumed bool   // all messages since the beginning of the subscription are live
}

// Subscribe subscribes to a channel, also across reconnects, until Unsubscribe or
// Close. It begins after what was received of the channel, as far as the client or its
// Store remembers, else at the channel's head.
func (c *Client) Subscribe(ctx context.Context, channel string) (Subscription, error) {
	c.mu.Lock()
	seq, known := c.mu.positions.at(channel).from()
	c.mu.Unlock()
	r := wire.Request{Type: "subscribe", Channel: channel}
	if known {
		r.After = &seq
	}
	return c.subscribe(ctx, r)
}

// SubscribeAfter is Subscribe from a sequence on, exclusive: 0 for all live messages.
// Messages after it that were received before come again.
func (c *Client) SubscribeAfter(ctx context.Context, channel string, after uint64) (Subscription, error) {
	return c.subscribe(ctx, wire.Request{Type: "subscribe", Channel: channel, After: &after})
}

func (c *Client) subscribe(ctx context.Context, r wire.Request) (Subscription, error) {
	f, err := c.command(ctx, r, func(f *wire.Frame) { // before the first message
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mu.positions.wanted[r.Channel] = true
		c.mu.positions.at(r.Channel).subscribed(r.After, f.Seq)
	})
	if err != nil {
		return Subscription{}, err
	}
	return Subscription{Head: f.Seq, Oldest: f.Oldest, Resumed: f.Resumed}, nil
}

// Unsubscribe ends a subscription; it does not end a membership.
func (c *Client) Unsubscribe(ctx context.Context, channel string) error {
	c.mu.Lock()
	delete(c.mu.positions.wanted, channel)
	delete(c.mu.rooms, channel)
	c.mu.Unlock()
	_, err := c.command(ctx, wire.Request{Type: "unsubscribe", Channel: channel}, nil)
	return err
}
