package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/wirepost/wirepost/engine"
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
	e.nodes.Forget(node)
	return nil
}

// absent returns the members that have never announced themselves to this node.
func (e *Engine) absent(heard []engine.Node) (all []engine.Node) {
	members := e.shards[0].follower.Applied().Members
	for i := range members {
		name := members[i].Node
		if name != e.o.Node && !slices.ContainsFunc(heard, func(n engine.Node) bool { return n.Name == name }) {
			all = append(all, engine.Node{Name: name, State: engine.NodeUnreachable, Reason: "it has announced nothing since this node started"})
		}
	}
	return all
}
