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

// refresh brings new tokens before the old ones end, as long as the connection
// lives; f is the hello. If that fails the server closes with 4401, and the next
// connection asks for a token as well.
func (c *Client) refresh(ctx context.Context, l *link, f *wire.Frame) {
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
	expires, end := f.Expires, endOf(f)
	for {
		left := time.Until(end)
		if left <= 0 || !sleep(ctx, left-min(refreshBefore, left/4)) {
			return
		}
		f, err := c.renew(ctx, l)
		switch {
		case err == nil && f.Expires <= expires:
			return // it is the same, or one without an end
		case err == nil:
			expires, end = f.Expires, endOf(f)
			wait.reset()
		case errors.Is(err, ErrInterrupted), isCode(err, wire.NotFound):
			return
		case !sleep(ctx, wait.next()):
			return
		}
	}
}

// endOf is when a token ends, by this computer's clock, which may differ from the
// server's: what counts is how long it is until then.
func endOf(f *wire.Frame) time.Time {
	if f.ExpiresInMS > 0 {
		return time.Now().Add(time.Duration(min(f.ExpiresInMS, maxLife.Milliseconds())) * time.Millisecond)
	}
	return time.UnixMilli(f.Expires) // of an older server
}

// maxLife bounds what a server says of a token's life.
const maxLife = 10 * 365 * 24 * time.Hour

// renew brings one new token, and returns the server's answer.
func (c *Client) renew(ctx context.Context, l *link) (*wire.Frame, error) {
	token, err := c.opts.Token(ctx)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, l, wire.Request{Type: "auth", Token: token}, nil)
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*CommandError](err)
	return ok && e.Code == code
}
