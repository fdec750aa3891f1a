package cluster

import (
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
)

// SetLevel sets the level of the operations that a node knows.
func SetLevel(o *Options, level int) { o.level = level }

// TickLevel proposes a change of a level, and waits until it is applied.
func (e *Engine) TickLevel(s, level int) error {
	c := propose.NewCall()
	c.Sweep, c.Level = true, level
	e.shards[s].proposer.Start(e.ctx, c)
	_, err := c.Wait(e.o.Patience)
	return err
}

// Unknown encodes a batch of the cluster with an operation of an unknown kind.
func (e *Engine) Unknown() []byte {
	b := batch.Batch{Level: 1, Epoch: e.epoch, Proposer: batch.NewProposer(), Counter: 1}
	return b.Append(nil, []byte{250})
}
