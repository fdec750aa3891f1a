package stage

import (
	"math"

	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Trim removes the records of a channel up to a sequence.
func (c *Changes) Trim(s *cache.Slot[cache.Channel], through uint64) error {
	w := c.Touch(s)
	through = min(through, w.Head.Seq)
	if through <= w.Head.Floor {
		return nil
	}
	if _, err := c.sweepEnded(s, math.MaxInt); err != nil {
		return err
	}
	if w.Head.Dense() {
		w.Head.Live -= through - w.Head.Floor
		w.Head.Lost = through
	} else if err := c.trimSparse(s, through); err != nil {
		return err
	}
	w.Head.Floor, w.Dirty = through, true
	c.dropFront(s, 0)
	return nil
}

func (c *Changes) trimSparse(s *cache.Slot[cache.Channel], through uint64) error {
	return c.scan(s.Name, s.V.Staged.Head.Floor, through, func(seq uint64, g *format.Glance) (bool, error) {
		c.pass(s, seq, g, true)
		return true, nil
	})
}
