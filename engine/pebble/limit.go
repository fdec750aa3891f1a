package pebble

import (
	"math"
	"slices"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

const (
	// frontSize is how many of a channel's oldest messages are looked up at once.
	frontSize = 64
	// maxFronts is the number of channels for which they are kept.
	maxFronts = 4096
)

// makeRoom prepares for limit, which must not fail: it finds the oldest messages that the
// added messages will exceed the limit by. A message that is removed for another reason in
// between is not subtracted: one message too many does no harm.
func (c *commit) makeRoom(s *slot[channel], added, maxMessages int) error {
	h := &s.v.staged.head
	if maxMessages <= 0 || h.Live+uint64(added) <= uint64(maxMessages) {
		return nil
	}
	if h.Ends != 0 && h.Ends <= c.now {
		// Some messages that are still counted may have expired.
		if _, err := c.sweepEnded(s, math.MaxInt); err != nil {
			return err
		}
	}
	over := int(h.Live) + added - maxMessages
	if over <= 0 {
		return nil
	}
	return c.findFront(s, min(over+1, int(h.Live)), added == 0)
}

// limit removes the oldest messages over a channel's limit, by moving the floor.
func (c *commit) limit(s *slot[channel], maxMessages int) {
	w := s.v.staged
	if maxMessages <= 0 || w.head.Live <= uint64(maxMessages) {
		return
	}
	over := w.head.Live - uint64(maxMessages)
	if w.head.Dense() {
		w.head.Floor += over
	} else if over = min(over, uint64(len(c.fronts[s.name]))); over > 0 {
		w.head.Floor = c.fronts[s.name][over-1]
	}
	w.head.Live -= over
	w.head.Lost = max(w.head.Lost, w.head.Floor)
	w.dirty = true
	c.dropFront(s, 0)
	if err := c.purgeSome(s); err != nil {
		c.e.log.Warn("purge failed", "channel", s.name, "error", disk.Plain(err)) // the sweeper tries again
	}
}

// findFront finds the first messages above the floor, n of them or more. They are kept
// until they are removed. In a dense log they need not be found, unless a key may make a
// hole in it, or a revocation will.
func (c *commit) findFront(s *slot[channel], n int, revoking bool) error {
	h := &s.v.staged.head
	front := c.fronts[s.name]
	if len(front) >= n || h.Dense() && !h.Keyed && !revoking {
		return nil
	}
	front = front[:0]
	err := c.scan(s.name, h.Floor, h.Seq, func(seq uint64, g *format.Glance) (bool, error) {
		if g.Revokes == 0 {
			front = append(front, seq)
		}
		return len(front) < max(n, frontSize), nil
	})
	if len(c.fronts) >= maxFronts {
		clear(c.fronts)
	}
	c.fronts[s.name] = front
	return err
}

// dropFront removes a message from the front, and those that are not above the floor.
func (c *commit) dropFront(s *slot[channel], seq uint64) {
	front := c.fronts[s.name]
	if len(front) == 0 {
		return
	}
	floor := s.v.staged.head.Floor
	c.fronts[s.name] = slices.DeleteFunc(front, func(known uint64) bool { return known == seq || known <= floor })
}
