package pebble

import (
	"context"
	"math"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
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
	defer e.unpinChannel(s)
	err = e.do(ctx, now == 0, true, s, func(c *commit) error {
		c.at(now)
		return c.trim(s, through)
	})
	trimmed := context.WithoutCancel(ctx) // the rest only frees space
	for more := true; more && err == nil; {
		err = e.do(trimmed, false, true, s, func(c *commit) (err error) {
			c.at(now)
			c.touch(s)
			more, err = c.purge(s)
			return err
		})
	}
	return err
}

func (c *commit) trim(s *slot[channel], through uint64) error {
	w := c.touch(s)
	through = min(through, w.head.Seq)
	if through <= w.head.Floor {
		return nil
	}
	if _, err := c.sweepEnded(s, math.MaxInt); err != nil {
		return err
	}
	if w.head.Dense() {
		w.head.Live -= through - w.head.Floor
		w.head.Lost = through
	} else if err := c.trimSparse(s, through); err != nil {
		return err
	}
	w.head.Floor, w.dirty = through, true
	c.dropFront(s, 0)
	return nil
}

func (c *commit) trimSparse(s *slot[channel], through uint64) error {
	return c.scan(s.name, s.v.staged.head.Floor, through, func(seq uint64, g *format.Glance) (bool, error) {
		c.pass(s, seq, g, true)
		return true, nil
	})
}
