package stage

import (
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Hole records a sequence that is a hole from this commit on. Each is recorded once.
func (c *Changes) Hole(s *cache.Slot[cache.Channel], seq uint64) {
	w := s.V.Staged
	w.Holes = append(w.Holes, seq)
	if !w.Head.Holey {
		w.Head.Holey, w.Dirty = true, true
	}
	op := c.batch.MergeDeferred(len(s.Name)+10, 1)
	format.HolesKey(op.Key[:0], s.Name, format.BlockOf(seq))
	op.Value[0] = byte(seq)
	_ = op.Finish()
}

// settle stores blocks that became all holes in their short form, and the lists that an
// earlier format did not have.
func (c *Changes) settle(s *cache.Slot[cache.Channel], h *cache.Holes) {
	for block, list := range h.Unstored {
		c.Set(format.HolesKey(c.key[:0], s.Name, block), list)
		s.V.Staged.Dirty = true
	}
	for _, number := range h.Full {
		if number&format.WholeGroup != 0 {
			first := (number &^ format.WholeGroup) << format.GroupBits
			_ = c.batch.DeleteRange(format.HolesKey(nil, s.Name, first), format.HolesKey(nil, s.Name, first+1<<format.GroupBits), nil)
		}
		c.Set(format.HolesKey(c.key[:0], s.Name, number), nil)
	}
}

// purgeHoles removes the lists of blocks that are purged.
func (c *Changes) purgeHoles(s *cache.Slot[cache.Channel]) {
	w := s.V.Staged
	w.Dropped = format.BlockOf(w.Head.Purged + 1)
	if w.Head.Purged == w.Head.Seq {
		w.Dropped = format.BlockOf(w.Head.Purged) + 1
	}
	if h := s.V.Holes; h != nil {
		h.Below(w.Dropped, func(number uint64) { c.Delete(format.HolesKey(c.key[:0], s.Name, number)) })
	}
}
