package cluster

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
	b := batch{level: 1, epoch: e.epoch, proposer: newProposer(), counter: 1}
	return b.append(nil, []byte{250})
}
