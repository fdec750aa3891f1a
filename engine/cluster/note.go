package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// note is what a replica knows of the log of a shard. It is stored with the position, and
// follows from the log alone, so it is the same on all nodes.
type note struct {
	loose      bool   // the log is in memory, and may lose entries; not stored
	void       uint64 // entries up to here are void; not stored
	epoch      string // of the cluster; "": the log has not begun
	cluster    string // its name
	shards     int
	generation uint64 // of the log
	history    uint64 // identifies all entries up to here, see extend
	before     uint64 // the history without the last entry
	size       uint64 // bytes of all entries up to here
	seen       []seen
	members    []member // by name
}

// seen is the last batch of a proposer. A proposer has one batch in flight at a time, so
// earlier ones are never proposed again. It makes a batch that is in the log twice, because
// the answer to its proposal was lost, apply once.
type seen struct {
	proposer proposer
	counter  uint64
	time     int64 // of the batch
}

const (
	// forgetAfter is how long a proposer is remembered after its last batch. A batch is
	// proposed again for proposeFor at most, which is much less.
	forgetAfter = int64(24 * time.Hour / time.Millisecond)
	// maxSeen limits the proposers that are remembered: each start of a node is one.
	maxSeen = 256
)

// verdict says what is to be done with a batch.
type verdict int

const (
	apply     verdict = iota
	repeated          // it was applied before
	outdated          // it was made before the log was repaired, and has to be made again
	unfounded         // it founds a cluster that exists already
)

// ErrForked says that a replica and the log, or two replicas, do not have the same history.
// As with ErrTrimmed, the replica needs a snapshot.
var ErrForked = errors.New("this replica has applied other batches than another node: its data must be replaced by a snapshot")

// take records the batch of an entry at a position, and says what is to be done with it.
// The error is that of a replica which cannot go on.
func (n *note) take(b *batch, entry *Entry, now int64) (verdict, error) {
	v, err := n.judge(b, entry.Position)
	if err != nil {
		return v, err
	}
	n.before, n.history = n.history, extend(n.history, entry)
	n.size += uint64(len(entry.Data))
	if v != apply {
		return v, nil
	}
	if g := b.genesis; g != nil {
		n.epoch, n.cluster, n.shards, n.generation = b.epoch, g.cluster, g.shards, b.generation
	}
	n.remember(b, now)
	n.change(b, now)
	return apply, nil
}

// judge says what is to be done with a batch. Nothing is recorded.
func (n *note) judge(b *batch, position uint64) (verdict, error) {
	switch {
	case n.loose && b.epoch != n.epoch:
		return unfounded, nil
	case n.epoch == "" && b.genesis == nil:
		return 0, errNoGenesis
	case n.epoch == "":
		return apply, nil
	case b.genesis != nil && (b.epoch != n.epoch || b.generation <= n.generation):
		return unfounded, nil
	case b.epoch != n.epoch:
		return 0, fmt.Errorf("the log belongs to another cluster: %w: a batch has epoch %s, and not %s", ErrForeign, b.epoch, n.epoch)
	case b.generation < n.generation:
		return outdated, nil
	case b.generation > n.generation && !n.follows(b, position):
		return 0, fmt.Errorf("%w: the log was repaired without it, and has generation %d", ErrForked, b.generation)
	case position <= n.void:
		return outdated, nil
	}
	if i := n.proposer(b); i >= 0 && b.counter <= n.seen[i].counter {
		return repeated, nil
	}
	return apply, nil
}

func (n *note) proposer(b *batch) int {
	return slices.IndexFunc(n.seen, func(s seen) bool { return s.proposer == b.proposer })
}

// misses reports whether the batch before this one of the same proposer is not in the log.
// The proposer has seen it there.
func (n *note) misses(b *batch) bool {
	i := n.proposer(b)
	return i >= 0 && b.counter > n.seen[i].counter+1
}

// follows reports whether a batch at a position makes a repaired log go on after what the
// replica has applied.
func (n *note) follows(b *batch, position uint64) bool {
	return b.genesis != nil && b.generation == n.generation+1 &&
		(n.void > 0 && position == n.void+1 || b.base == position-1 && b.history == n.history)
}

// remember records the counter of a batch.
func (n *note) remember(b *batch, now int64) {
	n.seen = slices.DeleteFunc(n.seen, func(s seen) bool { return s.proposer == b.proposer || now-s.time > forgetAfter })
	if len(n.seen) == maxSeen {
		n.seen = slices.Delete(n.seen, 0, 1)
	}
	n.seen = append(n.seen, seen{b.proposer, b.counter, now})
}

// extend returns the history of a log after one more entry. Logs with the same history
// have the same entries.
func extend(history uint64, entry *Entry) uint64 {
	history = mix(history ^ entry.Position)
	history = mix(history ^ uint64(entry.Time))
	return mix(history ^ uint64(checksum(entry.Data)))
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (n *note) append(dst []byte) []byte {
	dst = appendText(appendText(dst, n.epoch), n.cluster)
	for _, x := range [...]uint64{uint64(n.shards), n.generation, n.before, n.history, n.size, uint64(len(n.seen))} {
		dst = binary.AppendUvarint(dst, x)
	}
	for i := range n.seen {
		s := &n.seen[i]
		dst = append(dst, s.proposer[:]...)
		dst = binary.AppendUvarint(dst, s.counter)
		dst = binary.AppendUvarint(dst, uint64(s.time))
	}
	dst = binary.AppendUvarint(dst, uint64(len(n.members)))
	for i := range n.members {
		dst = n.members[i].append(dst)
	}
	return dst
}

// decodeNote decodes a note. No data is the note of a log that has not begun.
func decodeNote(data []byte) (n note, err error) {
	if len(data) == 0 {
		return note{}, nil
	}
	in := reader{rest: data}
	n.epoch, n.cluster, n.shards = in.text(), in.text(), int(in.number())
	n.generation, n.before, n.history, n.size = in.number(), in.number(), in.number(), in.number()
	for range in.length() {
		var s seen
		copy(s.proposer[:], in.bytes(len(s.proposer)))
		s.counter, s.time = in.number(), int64(in.number())
		n.seen = append(n.seen, s)
	}
	for range in.length() {
		n.members = append(n.members, in.member())
	}
	if in.bad || len(in.rest) > 0 {
		return note{}, errors.New("what the replica knows of the log is malformed")
	}
	return n, nil
}
