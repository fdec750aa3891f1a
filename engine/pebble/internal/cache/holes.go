package cache

import (
	"cmp"
	"slices"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Holes is how many holes the blocks of a channel have. It is written by the
// committer under the mutex of the cache when a commit is published.
type Holes struct {
	groups []blockGroup // with holes, by their number
	// Full are the blocks that now consist of holes and are still stored as lists.
	Full []uint64
	// Unstored is what a store of an earlier format did not have: lists by their
	// block. The first commit that touches the channel stores them.
	Unstored map[uint64][]byte
}

// blockGroup is 256 blocks. In one that is all holes, counts is nil.
type blockGroup struct {
	number uint64
	sum    int
	first  uint64   // the block that counts begins with
	counts []uint16 // by block
}

// find returns the index of a group, or where it would be inserted.
func (h *Holes) find(number uint64) (at int, found bool) {
	return slices.BinarySearchFunc(h.groups, number, func(g blockGroup, number uint64) int { return cmp.Compare(g.number, number) })
}

// add counts n more holes in a block.
func (h *Holes) add(block uint64, n int) {
	at, found := h.find(format.GroupOf(block))
	if !found {
		h.groups = slices.Insert(h.groups, at, blockGroup{number: format.GroupOf(block), first: block})
	}
	g := &h.groups[at]
	g.sum += n
	if g.sum == format.GroupSize {
		g.counts = nil
		h.Full = append(h.Full, g.number|format.WholeGroup)
		return
	}
	if block < g.first {
		g.counts = slices.Insert(g.counts, 0, make([]uint16, g.first-block)...)
		g.first = block
	}
	if more := int(block-g.first) + 1 - len(g.counts); more > 0 {
		g.counts = append(g.counts, make([]uint16, more)...)
	}
	if g.counts[block-g.first] += uint16(n); g.counts[block-g.first] == format.BlockSize {
		h.Full = append(h.Full, block)
	}
}

// In returns the number of holes in a block.
func (h *Holes) In(block uint64) int {
	if h == nil {
		return 0
	}
	if at, found := h.find(format.GroupOf(block)); found {
		return h.groups[at].in(block)
	}
	return 0
}

func (g *blockGroup) in(block uint64) int {
	switch {
	case g.sum == format.GroupSize:
		return format.BlockSize
	case block < g.first || block-g.first >= uint64(len(g.counts)):
		return 0
	}
	return int(g.counts[block-g.first])
}

// After returns the number of holes in all blocks after the given one.
func (h *Holes) After(block uint64) (n uint64) {
	if h == nil {
		return 0
	}
	for i := len(h.groups) - 1; i >= 0 && h.groups[i].number >= format.GroupOf(block); i-- {
		g := &h.groups[i]
		if g.number > format.GroupOf(block) {
			n += uint64(g.sum)
			continue
		}
		if g.sum == format.GroupSize {
			return n + (g.number+1)<<format.GroupBits<<format.BlockBits - (block+1)<<format.BlockBits
		}
		for b := max(block+1, g.first); b-g.first < uint64(len(g.counts)); b++ {
			n += uint64(g.counts[b-g.first])
		}
	}
	return n
}

// Open returns the first block, from one on, that is not all holes.
func (h *Holes) Open(block uint64) uint64 {
	if h == nil {
		return block
	}
	at, _ := h.find(format.GroupOf(block))
	for ; at < len(h.groups) && h.groups[at].number == format.GroupOf(block); at++ {
		g := &h.groups[at]
		if g.sum == format.GroupSize {
			block = (g.number + 1) << format.GroupBits
		}
		for format.GroupOf(block) == g.number && g.in(block) == format.BlockSize {
			block++
		}
	}
	return block
}

// Below calls fn with the stored keys' blocks and groups that lie wholly before a
// block.
func (h *Holes) Below(block uint64, fn func(number uint64)) {
	for i := 0; i < len(h.groups) && h.groups[i].number <= format.GroupOf(block); i++ {
		g := &h.groups[i]
		if g.sum == format.GroupSize && g.number < format.GroupOf(block) {
			fn(g.number | format.WholeGroup)
		}
		for k := 0; k < len(g.counts) && g.first+uint64(k) < block; k++ {
			if g.counts[k] > 0 {
				fn(g.first + uint64(k))
			}
		}
	}
}

// drop removes what below finds.
func (h *Holes) drop(block uint64) {
	h.groups = slices.DeleteFunc(h.groups, func(g blockGroup) bool { return g.number < format.GroupOf(block) })
	if len(h.groups) == 0 || h.groups[0].number > format.GroupOf(block) {
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

// load adds a stored list. The empty list means that all sequences are holes.
func (h *Holes) load(number uint64, length int) {
	switch {
	case number&format.WholeGroup != 0:
		number &^= format.WholeGroup
		at, _ := h.find(number)
		h.groups = slices.Insert(h.groups, at, blockGroup{number: number, sum: format.GroupSize})
	case length == 0:
		full := len(h.Full)
		h.add(number, format.BlockSize)
		if n := len(h.Full); n > full && h.Full[n-1] == number {
			h.Full = h.Full[:n-1] // it is stored as such
		}
	default:
		h.add(number, length)
	}
}
