package pebble

import (
	"cmp"
	"context"
	"slices"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// A hole is a sequence of a channel that is not a live message: a message that was
// collapsed, revoked or swept after its time to live, or a revocation. Every other sequence
// above the floor is a message, so messages are counted without reading records.
//
// The store holds, for each block of 256 sequences with holes, a list of them: one
// byte for each, in the order in which they were made. A list grows by a merge,
// which concatenates, so the committer adds a hole without reading anything. A
// block that is nothing but holes has an empty list, and 256 such blocks in a row, a
// group, have one key. Of a channel in use the length of each list is in memory:
// two bytes for 256 sequences, and only where there are holes.
const (
	blockBits = 8
	blockSize = 1 << blockBits
	groupBits = 8
	groupSize = 1 << (blockBits + groupBits)
	// wholeGroup is the bit in a block's number that makes it a group's.
	wholeGroup = 1 << 63
)

func blockOf(seq uint64) uint64 { return seq >> blockBits }

func groupOf(block uint64) uint64 { return block >> groupBits }

// holes is how many holes the blocks of a channel have. It is written by the
// committer under Engine.mu when a commit is published.
type holes struct {
	groups []blockGroup // with holes, by their number
	// full are the blocks that now consist of holes and are still stored as lists.
	full []uint64
	// unstored is what a store of an earlier format did not have: lists by their
	// block. The first commit that touches the channel stores them.
	unstored map[uint64][]byte
}

// blockGroup is 256 blocks. In one that is all holes, counts is nil.
type blockGroup struct {
	number uint64
	sum    int
	first  uint64   // the block that counts begins with
	counts []uint16 // by block
}

// find returns the index of a group, or where it would be inserted.
func (h *holes) find(number uint64) (at int, found bool) {
	return slices.BinarySearchFunc(h.groups, number, func(g blockGroup, number uint64) int { return cmp.Compare(g.number, number) })
}

// add counts n more holes in a block.
func (h *holes) add(block uint64, n int) {
	at, found := h.find(groupOf(block))
	if !found {
		h.groups = slices.Insert(h.groups, at, blockGroup{number: groupOf(block), first: block})
	}
	g := &h.groups[at]
	g.sum += n
	if g.sum == groupSize {
		g.counts = nil
		h.full = append(h.full, g.number|wholeGroup)
		return
	}
	if block < g.first {
		g.counts = slices.Insert(g.counts, 0, make([]uint16, g.first-block)...)
		g.first = block
	}
	if more := int(block-g.first) + 1 - len(g.counts); more > 0 {
		g.counts = append(g.counts, make([]uint16, more)...)
	}
	if g.counts[block-g.first] += uint16(n); g.counts[block-g.first] == blockSize {
		h.full = append(h.full, block)
	}
}

// in returns the number of holes in a block.
func (h *holes) in(block uint64) int {
	if h == nil {
		return 0
	}
	if at, found := h.find(groupOf(block)); found {
		return h.groups[at].in(block)
	}
	return 0
}

func (g *blockGroup) in(block uint64) int {
	switch {
	case g.sum == groupSize:
		return blockSize
	case block < g.first || block-g.first >= uint64(len(g.counts)):
		return 0
	}
	return int(g.counts[block-g.first])
}

// after returns the number of holes in all blocks after the given one.
func (h *holes) after(block uint64) (n uint64) {
	if h == nil {
		return 0
	}
	for i := len(h.groups) - 1; i >= 0 && h.groups[i].number >= groupOf(block); i-- {
		g := &h.groups[i]
		if g.number > groupOf(block) {
			n += uint64(g.sum)
			continue
		}
		if g.sum == groupSize {
			return n + (g.number+1)<<groupBits<<blockBits - (block+1)<<blockBits
		}
		for b := max(block+1, g.first); b-g.first < uint64(len(g.counts)); b++ {
			n += uint64(g.counts[b-g.first])
		}
	}
	return n
}

// open returns the first block, from one on, that is not all holes.
func (h *holes) open(block uint64) uint64 {
	if h == nil {
		return block
	}
	at, _ := h.find(groupOf(block))
	for ; at < len(h.groups) && h.groups[at].number == groupOf(block); at++ {
		g := &h.groups[at]
		if g.sum == groupSize {
			block = (g.number + 1) << groupBits
		}
		for groupOf(block) == g.number && g.in(block) == blockSize {
			block++
		}
	}
	return block
}

// below calls fn with the stored keys' blocks and groups that lie wholly before a
// block.
func (h *holes) below(block uint64, fn func(number uint64)) {
	for i := 0; i < len(h.groups) && h.groups[i].number <= groupOf(block); i++ {
		g := &h.groups[i]
		if g.sum == groupSize && g.number < groupOf(block) {
			fn(g.number | wholeGroup)
		}
		for k := 0; k < len(g.counts) && g.first+uint64(k) < block; k++ {
			if g.counts[k] > 0 {
				fn(g.first + uint64(k))
			}
		}
	}
}

// drop removes what below finds.
func (h *holes) drop(block uint64) {
	h.groups = slices.DeleteFunc(h.groups, func(g blockGroup) bool { return g.number < groupOf(block) })
	if len(h.groups) == 0 || h.groups[0].number > groupOf(block) {
		return
	}
	g := &h.groups[0]
	for len(g.counts) > 0 && g.first < block {
		g.sum -= int(g.counts[0])
		g.counts = g.counts[1:]
		g.first++
	}
	if g.sum == 0 {
		h.groups = slices.Delete(h.groups, 0, 1)
	}
}

// hole records a sequence that is a hole from this commit on. Each is recorded once.
func (c *commit) hole(s *slot[channel], seq uint64) {
	w := s.v.staged
	w.holes = append(w.holes, seq)
	if !w.head.Holey {
		w.head.Holey, w.dirty = true, true
	}
	op := c.batch.MergeDeferred(len(s.name)+10, 1)
	format.HolesKey(op.Key[:0], s.name, blockOf(seq))
	op.Value[0] = byte(seq)
	_ = op.Finish()
}

// settle stores blocks that became all holes in their short form, and the lists that an
// earlier format did not have.
func (c *commit) settle(s *slot[channel], h *holes) {
	for block, list := range h.unstored {
		c.set(format.HolesKey(c.key[:0], s.name, block), list)
		s.v.staged.dirty = true
	}
	for _, number := range h.full {
		if number&wholeGroup != 0 {
			first := (number &^ wholeGroup) << groupBits
			_ = c.batch.DeleteRange(format.HolesKey(nil, s.name, first), format.HolesKey(nil, s.name, first+1<<groupBits), nil)
		}
		c.set(format.HolesKey(c.key[:0], s.name, number), nil)
	}
}

// publishHoles publishes a commit's holes. Engine.mu is held.
func (w *staged) publishHoles(s *slot[channel]) {
	h := s.v.holes
	if h == nil {
		if len(w.holes) == 0 {
			return
		}
		h = new(holes)
		s.v.holes = h
	}
	h.full, h.unstored = nil, nil // see settle
	h.drop(w.dropped)             // the holes of this commit are after that
	for _, seq := range w.holes {
		h.add(blockOf(seq), 1)
	}
	if len(h.groups) == 0 {
		s.v.holes = nil
	}
}

// purgeHoles removes the lists of blocks that are purged.
func (c *commit) purgeHoles(s *slot[channel]) {
	w := s.v.staged
	w.dropped = blockOf(w.head.Purged + 1)
	if w.head.Purged == w.head.Seq {
		w.dropped = blockOf(w.head.Purged) + 1
	}
	if h := s.v.holes; h != nil {
		h.below(w.dropped, func(number uint64) { c.delete(format.HolesKey(c.key[:0], s.name, number)) })
	}
}

// loadHoles reads how many holes the blocks of a channel have.
func (e *Engine) loadHoles(name string) (*holes, error) {
	it, err := e.db.NewIter(&pdb.IterOptions{
		LowerBound: format.Named(nil, format.HolesPrefix, name), UpperBound: format.Successor(format.Named(nil, format.HolesPrefix, name)),
	})
	if err != nil {
		return nil, err
	}
	h := new(holes)
	for ok := it.First(); ok; ok = it.Next() {
		list, err := it.ValueAndErr()
		if err != nil {
			break // which Close reports
		}
		h.load(format.RecordSeq(it.Key()), len(list))
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	if len(h.groups) == 0 {
		return nil, nil
	}
	return h, nil
}

// load adds a stored list. The empty list means that all sequences are holes.
func (h *holes) load(number uint64, length int) {
	switch {
	case number&wholeGroup != 0:
		number &^= wholeGroup
		at, _ := h.find(number)
		h.groups = slices.Insert(h.groups, at, blockGroup{number: number, sum: groupSize})
	case length == 0:
		full := len(h.full)
		h.add(number, blockSize)
		if n := len(h.full); n > full && h.full[n-1] == number {
			h.full = h.full[:n-1] // it is stored as such
		}
	default:
		h.add(number, length)
	}
}

// findHoles looks for the holes of a channel that was stored without them. It reads
// the whole log, once.
func (e *Engine) findHoles(ctx context.Context, name string, head *format.Head) (*holes, error) {
	h := &holes{unstored: make(map[uint64][]byte)}
	seq := head.Floor
	upTo := func(end uint64) {
		for seq++; seq < end; seq++ {
			h.unstored[blockOf(seq)] = append(h.unstored[blockOf(seq)], byte(seq))
		}
	}
	err := format.Scan(ctx, e.db, name, head.Floor, head.Seq, func(at uint64, g *format.Glance) (bool, error) {
		upTo(at)
		if g.Revokes != 0 {
			h.unstored[blockOf(at)] = append(h.unstored[blockOf(at)], byte(at))
		}
		return true, nil
	})
	upTo(head.Seq + 1)
	for block, list := range h.unstored {
		h.add(block, len(list))
	}
	head.Holey = true
	return h, err
}
