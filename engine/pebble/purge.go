package pebble

import (
	"encoding/binary"

	pdb "github.com/cockroachdb/pebble/v2"
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
	if dead := s.v.head.floor - h.purged; s.v.head.floor <= h.purged || dead < min(max(h.live/4, 16), 4*rangeDelete) {
		return nil
	}
	_, err := c.purge(s)
	return err
}

// purge removes the bytes of records up to the published floor.
func (c *commit) purge(s *slot[channel]) (more bool, err error) {
	h := &s.v.staged.head
	from, to := h.purged, s.v.head.floor
	if from >= to {
		return h.purged < h.floor, nil
	}
	if h.keyed {
		to = min(to, from+chunk)
		if err := c.purgeKeys(s, from, to); err != nil {
			return false, err
		}
	}
	if to-from >= rangeDelete {
		_ = c.batch.DeleteRange(recordKey(nil, s.name, from+1), recordKey(nil, s.name, to+1), nil)
	} else {
		for seq := from + 1; seq <= to; seq++ {
			c.delete(recordKey(c.key[:0], s.name, seq))
		}
	}
	c.removed(s.name, from+1, to)
	h.purged, s.v.staged.dirty = to, true
	c.purgeHoles(s)
	return h.purged < h.floor, nil
}

// purgeKeys removes the keys of records that will be purged.
func (c *commit) purgeKeys(s *slot[channel], from, to uint64) error {
	return c.scan(s.name, from, to, func(seq uint64, g *glance) (bool, error) {
		key, err := g.key()
		if err != nil || key == "" {
			return true, err
		}
		return true, c.forgetKey(s.name, key, seq)
	})
}

// sweepEnded removes expired records that have an index entry, at most limit.
func (c *commit) sweepEnded(s *slot[channel], limit int) (more bool, err error) {
	w := s.v.staged
	if w.head.ends == 0 || w.head.ends > c.now {
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
		LowerBound: endKey(nil, s.name, w.head.ends, 0),
		UpperBound: successor(named(nil, endPrefix, s.name)),
	})
	if err != nil {
		return false, err
	}
	defer it.Close()
	w.dirty = true
	for ok := it.First(); ok; ok = it.Next() {
		at := it.Key()[len(it.Key())-16:]
		end, seq := int64(binary.BigEndian.Uint64(at)), binary.BigEndian.Uint64(at[8:])
		w.head.ends = end
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
	w.head.ends = 0
	return false, it.Error()
}

func (c *commit) sweepOne(s *slot[channel], seq uint64, end int64, value []byte) error {
	w := s.v.staged
	flags, key := value[0], string(value[1:])
	if seq <= w.head.floor { // it was removed before, and is not counted
		c.delete(endKey(c.key[:0], s.name, end, seq))
		return nil
	}
	if key != "" {
		if err := c.forgetKey(s.name, key, seq); err != nil {
			return err
		}
	}
	if flags&endsRevocation != 0 { // it is not counted, and a hole already
		c.delete(recordKey(c.key[:0], s.name, seq))
		c.delete(endKey(c.key[:0], s.name, end, seq))
	} else {
		c.remove(s, seq, span{expires: end})
	}
	if flags&endsAsLoss != 0 {
		w.head.lost = max(w.head.lost, seq)
		c.publishLost(s, seq)
	}
	return nil
}

// publishLost publishes a loss before the record is removed: a reader between the write of
// the batch and its publishing would miss the record without seeing a loss. The record has
// expired by its age already, so the loss is true even if the commit fails.
func (c *commit) publishLost(s *slot[channel], seq uint64) {
	c.e.mu.Lock()
	s.v.head.lost = max(s.v.head.lost, seq)
	c.e.mu.Unlock()
}

// cutAge moves the floor over the expired records at the start of the log, at most chunk
// of them, and returns when the first remaining record expires.
func (c *commit) cutAge(s *slot[channel]) (more bool, next int64, err error) {
	w, n := s.v.staged, 0
	err = c.scan(s.name, w.head.floor, w.head.seq, func(seq uint64, g *glance) (bool, error) {
		gone, loss := g.ended(c.now)
		if more = gone && n == chunk; more {
			return false, nil
		}
		if !gone {
			if g.deadline != 0 {
				next = roundUp(g.deadline, g.deadline-g.time)
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
func (c *commit) pass(s *slot[channel], seq uint64, g *glance, loss bool) {
	w := s.v.staged
	w.head.floor, w.dirty = seq, true
	if g.revokes == 0 {
		w.head.live--
	}
	if loss {
		w.head.lost = max(w.head.lost, seq)
	}
}
