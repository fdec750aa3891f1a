package stage

import (
	"encoding/binary"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Retention removes records in two steps. The floor of the head moves immediately, and
// records up to it count as removed; their bytes are purged later, in bulk. Records are
// purged only up to a published floor, or above it after their loss was published
// (publishLost), so that a reader that misses them also sees the loss.

const (
	// RangeDelete is the number of records from which a range delete is cheaper than
	// single deletes: each range in a memtable makes all reads slightly slower.
	RangeDelete = 1024
	// chunk is how many records the committer reads for one request of the sweeper, while
	// appends wait.
	chunk = 1000
)

// purgeSome purges a channel that has its limit, once a share of it is dead.
func (c *Changes) purgeSome(s *cache.Slot[cache.Channel]) error {
	h := &s.V.Staged.Head
	if dead := s.V.Head.Floor - h.Purged; s.V.Head.Floor <= h.Purged || dead < min(max(h.Live/4, 16), 4*RangeDelete) {
		return nil
	}
	_, err := c.Purge(s)
	return err
}

// Purge removes the bytes of records up to the published floor.
func (c *Changes) Purge(s *cache.Slot[cache.Channel]) (more bool, err error) {
	h := &s.V.Staged.Head
	from, to := h.Purged, s.V.Head.Floor
	if from >= to {
		return h.Purged < h.Floor, nil
	}
	if h.Keyed {
		to = min(to, from+chunk)
		if err := c.purgeKeys(s, from, to); err != nil {
			return false, err
		}
	}
	if to-from >= RangeDelete {
		_ = c.batch.DeleteRange(format.RecordKey(nil, s.Name, from+1), format.RecordKey(nil, s.Name, to+1), nil)
	} else {
		for seq := from + 1; seq <= to; seq++ {
			c.Delete(format.RecordKey(c.key[:0], s.Name, seq))
		}
	}
	c.removed(s.Name, from+1, to)
	h.Purged, s.V.Staged.Dirty = to, true
	c.purgeHoles(s)
	return h.Purged < h.Floor, nil
}

// purgeKeys removes the keys of records that will be purged.
func (c *Changes) purgeKeys(s *cache.Slot[cache.Channel], from, to uint64) error {
	return c.scan(s.Name, from, to, func(seq uint64, g *format.Glance) (bool, error) {
		key, err := g.Key()
		if err != nil || key == "" {
			return true, err
		}
		return true, c.forgetKey(s.Name, key, seq)
	})
}

// sweepEnded removes expired records that have an index entry, at most limit.
func (c *Changes) sweepEnded(s *cache.Slot[cache.Channel], limit int) (more bool, err error) {
	w := s.V.Staged
	if w.Head.Ends == 0 || w.Head.Ends > c.now {
		return false, nil
	}
	r, err := c.reader()
	if err != nil {
		return false, err
	}
	c.cache.Lock()
	s.V.Sweeping = true
	c.cache.Unlock()
	it, err := r.NewIter(&pdb.IterOptions{
		LowerBound: format.EndKey(nil, s.Name, w.Head.Ends, 0),
		UpperBound: format.Successor(format.Named(nil, format.EndPrefix, s.Name)),
	})
	if err != nil {
		return false, err
	}
	defer it.Close()
	w.Dirty = true
	for ok := it.First(); ok; ok = it.Next() {
		at := it.Key()[len(it.Key())-16:]
		end, seq := int64(binary.BigEndian.Uint64(at)), binary.BigEndian.Uint64(at[8:])
		w.Head.Ends = end
		if limit--; end > c.now || limit < 0 {
			return end <= c.now, nil
		}
		if len(it.Value()) == 0 {
			return false, engine.ErrDamaged
		}
		if err := c.sweepOne(s, seq, end, it.Value()); err != nil {
			return false, err
		}
	}
	w.Head.Ends = 0
	return false, it.Error()
}

func (c *Changes) sweepOne(s *cache.Slot[cache.Channel], seq uint64, end int64, value []byte) error {
	w := s.V.Staged
	flags, key := value[0], string(value[1:])
	if seq <= w.Head.Floor { // it was removed before, and is not counted
		c.Delete(format.EndKey(c.key[:0], s.Name, end, seq))
		return nil
	}
	if key != "" {
		if err := c.forgetKey(s.Name, key, seq); err != nil {
			return err
		}
	}
	if flags&format.EndsRevocation != 0 { // it is not counted, and a hole already
		c.Delete(format.RecordKey(c.key[:0], s.Name, seq))
		c.Delete(format.EndKey(c.key[:0], s.Name, end, seq))
	} else {
		c.remove(s, seq, format.Span{Expires: end})
	}
	if flags&format.EndsAsLoss != 0 {
		w.Head.Lost = max(w.Head.Lost, seq)
		c.publishLost(s, seq)
	}
	return nil
}

// publishLost publishes a loss before the record is removed: a reader between the write of
// the batch and its publishing would miss the record without seeing a loss. The record has
// expired by its age already, so the loss is true even if the commit fails.
func (c *Changes) publishLost(s *cache.Slot[cache.Channel], seq uint64) {
	c.cache.Lock()
	s.V.Head.Lost = max(s.V.Head.Lost, seq)
	c.cache.Unlock()
}

// cutAge moves the floor over the expired records at the start of the log, at most chunk
// of them, and returns when the first remaining record expires.
func (c *Changes) cutAge(s *cache.Slot[cache.Channel]) (more bool, next int64, err error) {
	w, n := s.V.Staged, 0
	err = c.scan(s.Name, w.Head.Floor, w.Head.Seq, func(seq uint64, g *format.Glance) (bool, error) {
		gone, loss := g.Ended(c.now)
		if more = gone && n == chunk; more {
			return false, nil
		}
		if !gone {
			if g.Deadline != 0 {
				next = roundUp(g.Deadline, g.Deadline-g.Time)
			}
			return false, nil
		}
		n++
		c.pass(s, seq, g, loss)
		return true, nil
	})
	c.dropFront(s, 0)
	return more, next, err
}

// pass moves the floor over one record.
func (c *Changes) pass(s *cache.Slot[cache.Channel], seq uint64, g *format.Glance, loss bool) {
	w := s.V.Staged
	w.Head.Floor, w.Dirty = seq, true
	if g.Revokes == 0 {
		w.Head.Live--
	}
	if loss {
		w.Head.Lost = max(w.Head.Lost, seq)
	}
}
