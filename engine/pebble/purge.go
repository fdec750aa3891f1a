package pebble

import (
	"encoding/binary"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Retention removes records in two steps. The floor of the head moves immediately, and
// records up to it count as removed; their bytes are purged later, in bulk. Records are
// purged only up to a published floor, or above it after their loss was published
// (publishLost), so that a reader that misses them also sees the loss.

const (
	// rangeDelete is the number of records from which a range delete is cheaper than
	// single deletes: each range in a memtable makes all reads slightly slower.
	rangeDelete = 1024
	// chunk is how many records the committer reads for one request of the sweeper, while
	// appends wait.
	chunk = 1000
)

// purgeSome purges a channel that has its limit, once a share of it is dead.
func (c *commit) purgeSome(s *slot[channel]) error {
	h := &s.v.staged.head
	if dead := s.v.head.Floor - h.Purged; s.v.head.Floor <= h.Purged || dead < min(max(h.Live/4, 16), 4*rangeDelete) {
		return nil
	}
	_, err := c.purge(s)
	return err
}

// purge removes the bytes of records up to the published floor.
func (c *commit) purge(s *slot[channel]) (more bool, err error) {
	h := &s.v.staged.head
	from, to := h.Purged, s.v.head.Floor
	if from >= to {
		return h.Purged < h.Floor, nil
	}
	if h.Keyed {
		to = min(to, from+chunk)
		if err := c.purgeKeys(s, from, to); err != nil {
			return false, err
		}
	}
	if to-from >= rangeDelete {
		_ = c.batch.DeleteRange(format.RecordKey(nil, s.name, from+1), format.RecordKey(nil, s.name, to+1), nil)
	} else {
		for seq := from + 1; seq <= to; seq++ {
			c.delete(format.RecordKey(c.key[:0], s.name, seq))
		}
	}
	c.removed(s.name, from+1, to)
	h.Purged, s.v.staged.dirty = to, true
	c.purgeHoles(s)
	return h.Purged < h.Floor, nil
}

// purgeKeys removes the keys of records that will be purged.
func (c *commit) purgeKeys(s *slot[channel], from, to uint64) error {
	return c.scan(s.name, from, to, func(seq uint64, g *format.Glance) (bool, error) {
		key, err := g.Key()
		if err != nil || key == "" {
			return true, err
		}
		return true, c.forgetKey(s.name, key, seq)
	})
}

// sweepEnded removes expired records that have an index entry, at most limit.
func (c *commit) sweepEnded(s *slot[channel], limit int) (more bool, err error) {
	w := s.v.staged
	if w.head.Ends == 0 || w.head.Ends > c.now {
		return false, nil
	}
	r, err := c.reader()
	if err != nil {
		return false, err
	}
	c.e.mu.Lock()
	s.v.sweeping = true
	c.e.mu.Unlock()
	it, err := r.NewIter(&pdb.IterOptions{
		LowerBound: format.EndKey(nil, s.name, w.head.Ends, 0),
		UpperBound: format.Successor(format.Named(nil, format.EndPrefix, s.name)),
	})
	if err != nil {
		return false, err
	}
	defer it.Close()
	w.dirty = true
	for ok := it.First(); ok; ok = it.Next() {
		at := it.Key()[len(it.Key())-16:]
		end, seq := int64(binary.BigEndian.Uint64(at)), binary.BigEndian.Uint64(at[8:])
		w.head.Ends = end
		if limit--; end > c.now || limit < 0 {
			return end <= c.now, nil
		}
		if len(it.Value()) == 0 {
			return false, ErrDamaged
		}
		if err := c.sweepOne(s, seq, end, it.Value()); err != nil {
			return false, err
		}
	}
	w.head.Ends = 0
	return false, it.Error()
}

func (c *commit) sweepOne(s *slot[channel], seq uint64, end int64, value []byte) error {
	w := s.v.staged
	flags, key := value[0], string(value[1:])
	if seq <= w.head.Floor { // it was removed before, and is not counted
		c.delete(format.EndKey(c.key[:0], s.name, end, seq))
		return nil
	}
	if key != "" {
		if err := c.forgetKey(s.name, key, seq); err != nil {
			return err
		}
	}
	if flags&format.EndsRevocation != 0 { // it is not counted, and a hole already
		c.delete(format.RecordKey(c.key[:0], s.name, seq))
		c.delete(format.EndKey(c.key[:0], s.name, end, seq))
	} else {
		c.remove(s, seq, format.Span{Expires: end})
	}
	if flags&format.EndsAsLoss != 0 {
		w.head.Lost = max(w.head.Lost, seq)
		c.publishLost(s, seq)
	}
	return nil
}

// publishLost publishes a loss before the record is removed: a reader between the write of
// the batch and its publishing would miss the record without seeing a loss. The record has
// expired by its age already, so the loss is true even if the commit fails.
func (c *commit) publishLost(s *slot[channel], seq uint64) {
	c.e.mu.Lock()
	s.v.head.Lost = max(s.v.head.Lost, seq)
	c.e.mu.Unlock()
}

// cutAge moves the floor over the expired records at the start of the log, at most chunk
// of them, and returns when the first remaining record expires.
func (c *commit) cutAge(s *slot[channel]) (more bool, next int64, err error) {
	w, n := s.v.staged, 0
	err = c.scan(s.name, w.head.Floor, w.head.Seq, func(seq uint64, g *format.Glance) (bool, error) {
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
func (c *commit) pass(s *slot[channel], seq uint64, g *format.Glance, loss bool) {
	w := s.v.staged
	w.head.Floor, w.dirty = seq, true
	if g.Revokes == 0 {
		w.head.Live--
	}
	if loss {
		w.head.Lost = max(w.head.Lost, seq)
	}
}
