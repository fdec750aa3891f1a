package stage

import (
	"math"
	"slices"

	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
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
func (c *Changes) makeRoom(s *cache.Slot[cache.Channel], added, maxMessages int) error {
	h := &s.V.Staged.Head
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
func (c *Changes) limit(s *cache.Slot[cache.Channel], maxMessages int) {
	w := s.V.Staged
	if maxMessages <= 0 || w.Head.Live <= uint64(maxMessages) {
		return
	}
	over := w.Head.Live - uint64(maxMessages)
	if w.Head.Dense() {
		w.Head.Floor += over
	} else if over = min(over, uint64(len(c.fronts[s.Name]))); over > 0 {
		w.Head.Floor = c.fronts[s.Name][over-1]
	}
	w.Head.Live -= over
	w.Head.Lost = max(w.Head.Lost, w.Head.Floor)
	w.Dirty = true
	c.dropFront(s, 0)
	if err := c.purgeSome(s); err != nil {
		c.log.Warn("purge failed", "channel", s.Name, "error", disk.Plain(err)) // the sweeper tries again
	}
}

// findFront finds the first messages above the floor, n of them or more. They are kept
// until they are removed. In a dense log they need not be found, unless a key may make a
// hole in it, or a revocation will.
func (c *Changes) findFront(s *cache.Slot[cache.Channel], n int, revoking bool) error {
	h := &s.V.Staged.Head
	front := c.fronts[s.Name]
	if len(front) >= n || h.Dense() && !h.Keyed && !revoking {
		return nil
	}
	front = front[:0]
	err := c.scan(s.Name, h.Floor, h.Seq, func(seq uint64, g *format.Glance) (bool, error) {
		if g.Revokes == 0 {
			front = append(front, seq)
		}
		return len(front) < max(n, frontSize), nil
	})
	if len(c.fronts) >= maxFronts {
		clear(c.fronts)
	}
	c.fronts[s.Name] = front
	return err
}

// dropFront removes a message from the front, and those that are not above the floor.
func (c *Changes) dropFront(s *cache.Slot[cache.Channel], seq uint64) {
	front := c.fronts[s.Name]
	if len(front) == 0 {
		return
	}
	floor := s.V.Staged.Head.Floor
	c.fronts[s.Name] = slices.DeleteFunc(front, func(known uint64) bool { return known == seq || known <= floor })
}
