package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
)

// Forget implements engine.Shared.
func (e *Engine) Forget(ctx context.Context, node string) error {
	last := e.nodes.Last(node)
	switch {
	case node == e.o.Node || last != nil && last.State != engine.NodeStopped:
		return fmt.Errorf("node %s is running: stop it first", node)
	case !slices.ContainsFunc(e.Cluster().Nodes, func(n engine.Node) bool { return n.Name == node }):
		return fmt.Errorf("%w: %s", engine.ErrUnknownNode, node)
	}
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	var failed error
	for _, s := range e.shards {
		c := propose.NewCall()
		c.Alone, c.Forget = true, node
		s.proposer.Start(ctx, c)
		_, err := c.Wait(e.o.Patience)
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return fmt.Errorf("forget node %s: %w", node, failed)
	}
	return nil
}

// otherNodes describes the other nodes: those that are heard, and the members of the log. A node
// that is not heard any more and was forgotten, on whatever node, is neither.
func (e *Engine) otherNodes() []engine.Node {
	members := e.shards[0].follower.Applied().Members
	all := slices.DeleteFunc(e.nodes.Describe(), func(n engine.Node) bool {
		away := n.State == engine.NodeUnreachable || n.State == engine.NodeStopped
		return away && !slices.ContainsFunc(members, func(m note.Member) bool { return m.Node == n.Name })
	})
	for i := range members {
		name := members[i].Node
		if name != e.o.Node && !slices.ContainsFunc(all, func(n engine.Node) bool { return n.Name == name }) {
			all = append(all, engine.Node{Name: name, State: engine.NodeUnreachable, Reason: "it has announced nothing since this node started"})
		}
	}
	return all
}
