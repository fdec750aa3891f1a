package cluster

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
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

// Forget removes a node that has left for good from the members of the cluster, so that the
// log and new operations do not wait for it. It is a member again when it is back.
func (e *Engine) Forget(ctx context.Context, node string) error {
	if node == e.node || e.nodes.alive(node) {
		return fmt.Errorf("node %s is in use", node)
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	var failed error
	for _, s := range e.shards {
		c := newCall()
		c.alone, c.forget = true, node
		s.start(ctx, c)
		_, err := c.wait(e)
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return fmt.Errorf("forget node %s: %w", node, failed)
	}
	e.nodes.forget(node)
	return nil
}

// absent returns the members that this node has never heard of.
func (e *Engine) absent(heard []engine.Node) (all []engine.Node) {
	s := e.shards[0]
	s.mu.Lock()
	members := s.members
	s.mu.Unlock()
	for i := range members {
		name := members[i].node
		if name != e.node && !slices.ContainsFunc(heard, func(n engine.Node) bool { return n.Name == name }) {
			all = append(all, engine.Node{Name: name, State: engine.NodeUnreachable, Reason: "it has not been heard of since this node started"})
		}
	}
	return all
}
