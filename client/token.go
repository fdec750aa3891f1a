package client

import (
	"context"
	"errors"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// refreshBefore is how long before its end a token is replaced, unless it lives so
// briefly that a quarter of its life is less.
const refreshBefore = 30 * time.Second

// refresh brings new tokens before the old ones end, in ms since the epoch, as long
// as the connection lives. If that fails the server closes with 4401, and the next
// connection asks for a token as well.
func (c *Client) refresh(ctx context.Context, l *link, expires int64) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.wg.Go(func() {
		select {
		case <-l.broken:
			cancel()
		case <-ctx.Done():
		}
	})
	wait := backoff{first: c.opts.MinWait, limit: c.opts.MaxWait}
	for {
		left := time.Until(time.UnixMilli(expires))
		if left <= 0 || !sleep(ctx, left-min(refreshBefore, left/4)) {
			return
		}
		next, err := c.renew(ctx, l)
		switch {
		case err == nil && next <= expires:
			return // it is the same, or one without an end
		case err == nil:
			expires = next
			wait.reset()
		case errors.Is(err, ErrInterrupted), isCode(err, wire.NotFound):
			return
		case !sleep(ctx, wait.next()):
			return
		}
	}
}

// renew brings one new token.
func (c *Client) renew(ctx context.Context, l *link) (expires int64, err error) {
	token, err := c.opts.Token(ctx)
	if err != nil {
		return 0, err
	}
	f, err := c.ask(ctx, l, wire.Request{Type: "auth", Token: token}, nil)
	if err != nil {
		return 0, err
	}
	return f.Expires, nil
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*CommandError](err)
	return ok && e.Code == code
}
