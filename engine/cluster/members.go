package cluster

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"
)

// member is a node as the log knows it, from the last batch with a report of it.
type member struct {
	report
	time int64 // of the report
}

// report is what a node says of itself in the log of a shard.
type report struct {
	node  string
	level int // of the operations that it knows
	// durable is the position up to which the node has the shard on its disk, and size is
	// the bytes of all entries up to there.
	durable, size uint64
}

// memberFor is how long a node remains a member after its last report.
const memberFor = int64(7 * 24 * time.Hour / time.Millisecond)

func (r *report) append(dst []byte) []byte {
	return r.appendFields(append(dst, kindReport))
}

func (r *report) appendFields(dst []byte) []byte {
	dst = binary.AppendUvarint(appendText(dst, r.node), uint64(r.level))
	return binary.AppendUvarint(binary.AppendUvarint(dst, r.durable), r.size)
}

func (r *reader) report() *report {
	return &report{node: r.text(), level: int(r.number()), durable: r.number(), size: r.number()}
}

func (m *member) append(dst []byte) []byte {
	return binary.AppendUvarint(m.appendFields(dst), uint64(m.time))
}

func (r *reader) member() member { return member{*r.report(), int64(r.number())} }

// change changes the members as a batch says. The slice from before remains as it is.
func (n *note) change(b *batch, now int64) {
	gone := func(m member) bool { return m.node == b.forget || now-m.time > memberFor }
	if b.report == nil && !slices.ContainsFunc(n.members, gone) {
		return
	}
	n.members = slices.DeleteFunc(slices.Clone(n.members), gone)
	if b.report == nil {
		return
	}
	i, found := slices.BinarySearchFunc(n.members, b.report.node, func(m member, node string) int { return cmp.Compare(m.node, node) })
	if !found {
		n.members = slices.Insert(n.members, i, member{})
	}
	n.members[i] = member{*b.report, now}
}
