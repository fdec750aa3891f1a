// Package note is what a replica knows of the log of a shard, besides its position: the
// cluster, its members, and which batches count. It follows from the log alone.
package note

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/fields"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// Note is what a replica knows of the log of a shard. It is stored with the position, and
// follows from the log alone, so it is the same on all nodes.
type Note struct {
	Loose      bool   // the log is in memory, and may lose entries; not stored
	Void       uint64 // entries up to here are void; not stored
	Epoch      string // of the cluster; "": the log has not begun
	Cluster    string // its name
	Shards     int
	Generation uint64   // of the log
	History    uint64   // identifies all entries up to here, see Extend
	Before     uint64   // the history without the last entry
	Size       uint64   // bytes of all entries up to here
	Members    []Member // by name
	seen       []seen
}

// seen is the last batch of a proposer. A proposer has one batch in flight at a time, so
// earlier ones are never proposed again. It makes a batch that is in the log twice, because
// the answer to its proposal was lost, apply once.
type seen struct {
	proposer batch.Proposer
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

// Verdict says what is to be done with a batch.
type Verdict int

const (
	Apply     Verdict = iota // it counts
	Repeated                 // it was applied before
	Outdated                 // it was made before the log was repaired, and has to be made again
	Unfounded                // it founds a cluster that exists already
)

// ErrForked says that a replica and the log, or two replicas, do not have the same history.
// As with ErrTrimmed, the replica needs a snapshot.
var ErrForked = errors.New("this replica has applied other batches than another node: its data must be replaced by a snapshot")

var (
	// ErrForeign says that a log, a replica and the settings do not belong to the same
	// cluster.
	ErrForeign = errors.New("not the same cluster")
	// ErrNoGenesis says that a log does not begin as it has to.
	ErrNoGenesis = errors.New("the log does not begin with the entry that founds a cluster")
)

// Take records the batch of an entry at a position, and says what is to be done with it.
// The error is that of a replica which cannot go on.
func (n *Note) Take(b *batch.Batch, entry *replog.Entry, now int64) (Verdict, error) {
	v, err := n.judge(b, entry.Position)
	if err != nil {
		return v, err
	}
	n.Before, n.History = n.History, Extend(n.History, entry)
	n.Size += uint64(len(entry.Data))
	if v != Apply {
		return v, nil
	}
	if g := b.Genesis; g != nil {
		n.Epoch, n.Cluster, n.Shards, n.Generation = b.Epoch, g.Cluster, g.Shards, b.Generation
	}
	n.remember(b, now)
	n.changeMembers(b, now)
	return Apply, nil
}

// judge says what is to be done with a batch. Nothing is recorded.
func (n *Note) judge(b *batch.Batch, position uint64) (Verdict, error) {
	switch {
	case n.Loose && b.Epoch != n.Epoch:
		return Unfounded, nil
	case n.Epoch == "" && b.Genesis == nil:
		return 0, ErrNoGenesis
	case n.Epoch == "":
		return Apply, nil
	case b.Genesis != nil && (b.Epoch != n.Epoch || b.Generation <= n.Generation):
		return Unfounded, nil
	case b.Epoch != n.Epoch:
		return 0, fmt.Errorf("the log belongs to another cluster: %w: a batch has epoch %s, and not %s", ErrForeign, b.Epoch, n.Epoch)
	case b.Generation < n.Generation:
		return Outdated, nil
	case b.Generation > n.Generation && !n.Follows(b, position):
		return 0, fmt.Errorf("%w: the log was repaired without it, and has generation %d", ErrForked, b.Generation)
	case position <= n.Void:
		return Outdated, nil
	}
	if i := n.proposer(b); i >= 0 && b.Counter <= n.seen[i].counter {
		return Repeated, nil
	}
	return Apply, nil
}

func (n *Note) proposer(b *batch.Batch) int {
	return slices.IndexFunc(n.seen, func(s seen) bool { return s.proposer == b.Proposer })
}

// Misses reports whether the batch before this one of the same proposer is not in the log.
// The proposer has seen it there.
func (n *Note) Misses(b *batch.Batch) bool {
	i := n.proposer(b)
	return i >= 0 && b.Counter > n.seen[i].counter+1
}

// Follows reports whether a batch at a position makes a repaired log go on after what the
// replica has applied.
func (n *Note) Follows(b *batch.Batch, position uint64) bool {
	return b.Genesis != nil && b.Generation == n.Generation+1 &&
		(n.Void > 0 && position == n.Void+1 || b.Base == position-1 && b.History == n.History)
}

// remember records the counter of a batch.
func (n *Note) remember(b *batch.Batch, now int64) {
	n.seen = slices.DeleteFunc(n.seen, func(s seen) bool { return s.proposer == b.Proposer || now-s.time > forgetAfter })
	if len(n.seen) == maxSeen {
		n.seen = slices.Delete(n.seen, 0, 1)
	}
	n.seen = append(n.seen, seen{b.Proposer, b.Counter, now})
}

// Extend returns the history of a log after one more entry. Logs with the same history
// have the same entries.
func Extend(history uint64, entry *replog.Entry) uint64 {
	history = mix(history ^ entry.Position)
	history = mix(history ^ uint64(entry.Time))
	return mix(history ^ uint64(batch.Checksum(entry.Data)))
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Append appends the encoded note.
func (n *Note) Append(dst []byte) []byte {
	dst = fields.AppendText(fields.AppendText(dst, n.Epoch), n.Cluster)
	for _, x := range [...]uint64{uint64(n.Shards), n.Generation, n.Before, n.History, n.Size, uint64(len(n.seen))} {
		dst = binary.AppendUvarint(dst, x)
	}
	for i := range n.seen {
		s := &n.seen[i]
		dst = append(dst, s.proposer[:]...)
		dst = binary.AppendUvarint(dst, s.counter)
		dst = binary.AppendUvarint(dst, uint64(s.time))
	}
	dst = binary.AppendUvarint(dst, uint64(len(n.Members)))
	for i := range n.Members {
		dst = n.Members[i].append(dst)
	}
	return dst
}

// Decode decodes a note. No data is the note of a log that has not begun.
func Decode(data []byte) (n Note, err error) {
	if len(data) == 0 {
		return Note{}, nil
	}
	in := fields.Of(data)
	n.Epoch, n.Cluster, n.Shards = in.Text(), in.Text(), int(in.Number())
	n.Generation, n.Before, n.History, n.Size = in.Number(), in.Number(), in.Number(), in.Number()
	for range in.Length() {
		var s seen
		copy(s.proposer[:], in.Bytes(len(s.proposer)))
		s.counter, s.time = in.Number(), int64(in.Number())
		n.seen = append(n.seen, s)
	}
	for range in.Length() {
		n.Members = append(n.Members, readMember(&in))
	}
	if in.Bad() || in.More() {
		return Note{}, errors.New("what the replica knows of the log is malformed")
	}
	return n, nil
}
