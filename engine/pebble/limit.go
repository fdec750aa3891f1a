package pebble

import (
	"context"
	"math"
	"slices"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
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
	if maxMessages <= 0 || h.live+uint64(added) <= uint64(maxMessages) {
		return nil
	}
	if h.ends != 0 && h.ends <= c.now {
		// Some messages that are still counted may have expired.
		if _, err := c.sweepEnded(s, math.MaxInt); err != nil {
			return err
		}
	}
	over := int(h.live) + added - maxMessages
	if over <= 0 {
		return nil
	}
	return c.findFront(s, min(over+1, int(h.live)), added == 0)
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
	} else if over = min(over, uint64(len(c.fronts[s.name]))); over > 0 {
		w.head.floor = c.fronts[s.name][over-1]
	}
	w.head.live -= over
	w.head.lost = max(w.head.lost, w.head.floor)
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
	if len(front) >= n || h.dense() && !h.keyed && !revoking {
		return nil
	}
	front = front[:0]
	err := c.scan(s.name, h.floor, h.seq, func(seq uint64, g *glance) (bool, error) {
		if g.revokes == 0 {
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
	floor := s.v.staged.head.floor
	c.fronts[s.name] = slices.DeleteFunc(front, func(known uint64) bool { return known == seq || known <= floor })
}

// scan calls look with the stored records of a channel after one sequence and up to
// another, until look returns false or the context is done.
func scan(ctx context.Context, r pdb.Reader, channel string, after, through uint64, look func(seq uint64, g *glance) (more bool, err error)) error {
	it, err := r.NewIter(recordRange(channel, after, through))
	if err != nil {
		return err
	}
	err = scanIter(ctx, it, false, look)
	if e := it.Close(); err == nil {
		err = e
	}
	return err
}

func first(it *pdb.Iterator, backward bool) bool {
	if backward {
		return it.Last()
	}
	return it.First()
}

func next(it *pdb.Iterator, backward bool) bool {
	if backward {
		return it.Prev()
	}
	return it.Next()
}

// endedEvery is the number of keys after which a scan checks its context.
const endedEvery = 256

func recordRange(channel string, after, through uint64) *pdb.IterOptions {
	return &pdb.IterOptions{
		LowerBound: recordKey(nil, channel, after+1),
		UpperBound: recordKey(nil, channel, through+1),
	}
}

// scanIter calls look with the records of an iterator, first or last one first.
func scanIter(ctx context.Context, it *pdb.Iterator, backward bool, look func(seq uint64, g *glance) (more bool, err error)) error {
	for ok, n := first(it, backward), 1; ok; ok, n = next(it, backward), n+1 {
		if n%endedEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
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
