package stage

import (
	"time"

	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
)

// Sweep removes expired records of a channel, some of them at a time.
func (c *Changes) Sweep(s *cache.Slot[cache.Channel]) (more bool, err error) {
	c.Touch(s)
	ended, err := c.sweepEnded(s, chunk)
	if err != nil {
		return false, err
	}
	aged, next, err := c.cutAge(s)
	if err != nil {
		return false, err
	}
	dead, err := c.Purge(s)
	if more = ended || aged || dead; !more {
		c.sweepAgain(s, next)
	}
	return more, err
}

// sweepAgain schedules the sweeper's next visit to a channel at the next expiry: of the
// first record by its age, or of a record with an index entry.
func (c *Changes) sweepAgain(s *cache.Slot[cache.Channel], next int64) {
	h := &s.V.Staged.Head
	if h.Sweep <= c.now {
		h.Sweep, s.V.Staged.Dirty = 0, true // this visit
	}
	if next != 0 {
		c.sweepAt(s, next)
	}
	if h.Ends != 0 {
		// Once a minute is enough: there may be many such records, and the limit of
		// a channel does not count them wrongly meanwhile, see makeRoom.
		c.sweepAt(s, roundUp(h.Ends, 32*time.Minute.Milliseconds()))
	}
}
