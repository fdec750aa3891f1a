package client

import (
	"context"
	"errors"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// refreshBefore is how long before its expiry a token is replaced, unless a quarter
// of its lifetime is less.
const refreshBefore = 30 * time.Second

// refresh sends new tokens before the old ones expire, as long as the connection
// lives; f is the hello. If that fails the server closes with 4401, and the next
// connection asks for a token as well.
func (l *link) refresh(ctx context.Context, o *Options, f *wire.Frame) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.wg.Go(func() {
		select {
		case <-l.broken:
			cancel()
		case <-ctx.Done():
		}
	})
	wait := backoff{first: o.MinWait, limit: o.MaxWait}
	expires, expiry := f.Expires, expiryOf(f)
	for {
		left := time.Until(expiry)
		if left <= 0 || !sleep(ctx, left-min(refreshBefore, left/4)) {
			return
		}
		f, err := l.renew(ctx, o.Token)
		switch {
		case err == nil && f.Expires <= expires:
			return // it is the same token, or one that does not expire
		case err == nil:
			expires, expiry = f.Expires, expiryOf(f)
			wait.reset()
		case errors.Is(err, ErrInterrupted), isCode(err, wire.NotFound):
			return
		case !sleep(ctx, wait.next()):
			return
		}
	}
}

// expiryOf is when a token expires by this computer's clock, which may differ from
// the server's: what counts is the time left.
func expiryOf(f *wire.Frame) time.Time {
	if f.ExpiresInMS > 0 {
		return time.Now().Add(time.Duration(min(f.ExpiresInMS, maxLifetime.Milliseconds())) * time.Millisecond)
	}
	return time.UnixMilli(f.Expires) // of an older server
}

// maxLifetime bounds the lifetime of a token that a server states.
const maxLifetime = 10 * 365 * 24 * time.Hour

// renew sends one new token, and returns the server's response.
func (l *link) renew(ctx context.Context, source func(context.Context) (string, error)) (*wire.Frame, error) {
	token, err := source(ctx)
	if err != nil {
		return nil, err
	}
	return l.ask(ctx, wire.Request{Type: "auth", Token: token}, nil)
}
