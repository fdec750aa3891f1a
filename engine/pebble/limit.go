package pebble

import (
	"math"
	"slices"

	pdb "github.com/cockroachdb/pebble/v2"
)

// frontSize is how many of a channel's oldest messages are looked up at once.
const frontSize = 64

// makeRoom prepares for limit, which must not fail: should the oldest messages have
// to go once added messages have come, they are known then. A message that goes
// for another reason in between is not counted out: to know one more is no harm.
func (c *commit) makeRoom(s *slot[channel], added, maxMessages int) error {
	h := &s.v.staged.head
	if maxMessages <= 0 || h.live+uint64(added) <= uint64(maxMessages) {
		return nil
	}
	if h.ends != 0 && h.ends <= c.now {
		// Some messages that are still counted may have ended among the others.
		if _, err := c.sweepEnded(s, math.MaxInt); err != nil {
			return err
		}
	}
	over := int(h.live) + added - maxMessages
	if over <= 0 {
		return nil
	}
	return c.findFront(s, min(over+1, int(h.live)))
}

// limit removes the oldest messages over a channel's limit, by moving the floor.
func (c *commit) limit(s *slot[channel], maxMessages int) {
	w := s.v.staged
	if maxMessages <= 0 || w.head.live <= uint64(maxMessages) {
		return
	}
	over := w.head.live - uint64(maxMessages)
	if w.head.dense() {
		w.head.floor += over
	} else if over = min(over, uint64(len(s.v.front))); over > 0 {
		w.head.floor = s.v.front[over-1]
	}
	w.head.live -= over
	w.head.lost = max(w.head.lost, w.head.floor)
	w.dirty = true
	s.v.dropFront(0)
	if err := c.purgeSome(s); err != nil {
		c.e.log.Warn("purge failed", "channel", s.name, "error", err) // the sweeper comes back to it
	}
}

// findFront looks for the first messages above the floor, n of them or more. In a
// dense log they need not be looked for, unless a key may make a hole in it.
func (c *commit) findFront(s *slot[channel], n int) error {
	w := s.v.staged
	if len(s.v.front) >= n || w.head.dense() && !w.head.keyed {
		return nil
	}
	if err := c.spill(); err != nil {
		return err
	}
	s.v.front = s.v.front[:0]
	return c.e.scan(s.name, w.head.floor, w.head.seq, func(seq uint64, g *glance) (bool, error) {
		if g.revokes == 0 {
			s.v.front = append(s.v.front, seq)
		}
		return len(s.v.front) < max(n, frontSize), nil
	})
}

// dropFront takes a message out of the front, and what is not above the floor.
func (ch *channel) dropFront(seq uint64) {
	if len(ch.front) == 0 {
		return
	}
	i, found := slices.BinarySearch(ch.front, seq)
	if found {
		ch.front = slices.Delete(ch.front, i, i+1)
	}
	i, found = slices.BinarySearch(ch.front, ch.staged.head.floor)
	if found {
		i++
	}
	ch.front = slices.Delete(ch.front, 0, i)
}

// scan looks at the stored records of a channel after one sequence and up to
// another, until look says stop.
func (e *Engine) scan(channel string, after, through uint64, look func(seq uint64, g *glance) (more bool, err error)) error {
	it, err := e.db.NewIter(recordRange(channel, after, through))
	if err != nil {
		return err
	}
	err = scanIter(it, look)
	if e := it.Close(); err == nil {
		err = e
	}
	return err
}

func recordRange(channel string, after, through uint64) *pdb.IterOptions {
	return &pdb.IterOptions{
		LowerBound: recordKey(nil, channel, after+1),
		UpperBound: recordKey(nil, channel, through+1),
	}
}

func scanIter(it *pdb.Iterator, look func(seq uint64, g *glance) (more bool, err error)) error {
	for ok := it.First(); ok; ok = it.Next() {
		seq := recordSeq(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		g, err := glanceAt(seq, value)
		if err != nil {
			return err
		}
		if more, err := look(seq, &g); err != nil || !more {
			return err
		}
	}
	return it.Error()
}
