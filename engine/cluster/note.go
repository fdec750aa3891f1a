package cluster

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// note is what a replica knows of the proposers of a shard, stored with the position: it
// makes a batch that is in the log twice, because the answer to its proposal was lost,
// apply once.
type note struct{ seen []seen }

// seen is the last batch of a proposer. A proposer has one batch in flight at a time, so
// earlier ones are never proposed again.
type seen struct {
	proposer proposer
	counter  uint64
	time     int64 // of the batch
}

// forgetAfter is how long a proposer is remembered after its last batch. A node proposes a
// batch again for much less than that.
const forgetAfter = int64(24 * time.Hour / time.Millisecond)

// apply records a batch, and reports whether it is new.
func (n *note) apply(b *batch, now int64) (fresh bool) {
	n.seen = slices.DeleteFunc(n.seen, func(s seen) bool { return now-s.time > forgetAfter && s.proposer != b.proposer })
	i := slices.IndexFunc(n.seen, func(s seen) bool { return s.proposer == b.proposer })
	if i < 0 {
		i = len(n.seen)
		n.seen = append(n.seen, seen{proposer: b.proposer})
	}
	s := &n.seen[i]
	if b.counter <= s.counter {
		return false
	}
	s.counter, s.time = b.counter, now
	return true
}

func (n *note) append(dst []byte) []byte {
	for _, s := range n.seen {
		dst = append(dst, s.proposer[:]...)
		dst = binary.AppendUvarint(dst, s.counter)
		dst = binary.AppendUvarint(dst, uint64(s.time))
	}
	return dst
}

func decodeNote(data []byte) (n note, err error) {
	in := reader{rest: data}
	for len(in.rest) > 0 {
		var s seen
		copy(s.proposer[:], in.bytes(len(s.proposer)))
		s.counter, s.time = in.number(), int64(in.number())
		n.seen = append(n.seen, s)
	}
	if in.bad {
		return note{}, errors.New("what the replica knows of the log is malformed")
	}
	return n, nil
}
