package pebble

import (
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// auditedHoles are the stored holes of a channel.
type auditedHoles struct {
	lists map[uint64][]byte // by block or group
	block uint64            // the block of dead
	dead  *[format.BlockSize]bool
	wrong uint64 // the first sequence that is wrongly a hole, or wrongly not one
}

func (a *audit) holesKey(key, value []byte) {
	i := len(key) - 9
	if i < 1 || key[i] != 0 {
		a.report.add("", "the key %q is of no known kind", key)
		return
	}
	name := string(key[1:i])
	if a.holes[name] == nil {
		a.holes[name] = &auditedHoles{lists: make(map[uint64][]byte)}
	}
	a.holes[name].lists[format.RecordSeq(key)] = append([]byte{}, value...)
}

// want compares the holes with the records from one sequence to another.
func (h *auditedHoles) want(from, to uint64, hole bool) {
	for seq := from; seq <= to && h.wrong == 0; seq++ {
		whole := h.whole(format.BlockOf(seq))
		if whole && hole { // there may be very many
			seq = min(to, seq|(format.BlockSize-1))
			continue
		}
		if (whole || h.has(seq)) != hole {
			h.wrong = seq
		}
	}
}

// whole reports whether a block consists of holes.
func (h *auditedHoles) whole(block uint64) bool {
	list, ok := h.lists[block]
	if !ok {
		_, ok = h.lists[format.GroupOf(block)|format.WholeGroup]
	}
	return ok && len(list) == 0
}

func (h *auditedHoles) has(seq uint64) bool {
	if block := format.BlockOf(seq); h.dead == nil || h.block != block {
		h.block, h.dead = block, new([format.BlockSize]bool)
		for _, seq := range h.lists[block] {
			h.dead[seq] = true
		}
	}
	return h.dead[byte(seq)]
}
