package cluster

import "github.com/wirepost/wirepost/engine/cluster/internal/batch"

// SetLevel sets the level of the operations that a node knows.
func SetLevel(o *Options, level int) { o.level = level }

// TickLevel proposes a change of a level, and waits until it is applied.
func (e *Engine) TickLevel(s, level int) error {
	c := newCall()
	c.sweep, c.level = true, level
	e.shards[s].start(e.ctx, c)
	_, err := c.wait(e)
	return err
}

// Unknown encodes a batch of the cluster with an operation of an unknown kind.
func (e *Engine) Unknown() []byte {
	b := batch.Batch{Level: 1, Epoch: e.epoch, Proposer: batch.NewProposer(), Counter: 1}
	return b.Append(nil, []byte{250})
}
