package client

import (
	"context"

	"github.com/wirepost/wirepost/internal/wire"
)

// History reads live messages of a channel before a sequence, newest first, at most limit of
// them (1 to 1000; 0 means 100). Before 0 means from the newest one on. Next is the before of
// the next page; an empty list means that there are no more. It moves no cursor and
// acknowledges nothing. A refusal by the server is a *CommandError.
func (c *Client) History(ctx context.Context, channel string, before uint64, limit int) (list []*Message, next uint64, err error) {
	r := wire.Request{Type: "history", Channel: channel, Limit: limit}
	if before > 0 {
		r.Before = &before
	}
	f, err := c.command(ctx, r, nil)
	if err != nil {
		return nil, 0, err
	}
	for _, text := range f.Messages {
		m, err := parseMessage(text)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, m)
	}
	return list, f.Next, nil
}
