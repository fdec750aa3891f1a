package pebble

import (
	"context"

	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// Trim implements engine.Log.
func (e *Engine) Trim(ctx context.Context, channel string, through uint64) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	return e.trim(ctx, channel, through, 0)
}

// trim trims a channel and purges it. A time of 0 means that of the commit. At another
// time, that of a log, nothing becomes durable at once.
func (e *Engine) trim(ctx context.Context, channel string, through uint64, now int64) error {
	s, err := e.pinChannel(ctx, channel)
	if err != nil {
		return err
	}
	defer e.cache.UnpinChannel(s)
	err = e.committer.Do(ctx, committer.Mode{Sync: now == 0, Frees: true}, s, func(c *stage.Changes) error {
		c.At(now)
		return c.Trim(s, through)
	})
	trimmed := context.WithoutCancel(ctx) // the rest only frees space
	for more := true; more && err == nil; {
		err = e.committer.Do(trimmed, committer.Mode{Frees: true}, s, func(c *stage.Changes) (err error) {
			c.At(now)
			c.Touch(s)
			more, err = c.Purge(s)
			return err
		})
	}
	return err
}
