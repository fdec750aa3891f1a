package cluster

import (
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/apply"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
)

// shard is one shard of the log: what this node proposes to it, what it applies, and what
// it has on its disk.
type shard struct {
	number   int
	proposer *propose.Proposer
	follower *apply.Follower
	durable  *durable
}

func newShard(o apply.Options, p propose.Options, flushEvery time.Duration) (*shard, error) {
	d := &durable{node: o.Node, level: o.Level, every: flushEvery}
	o.Following, p.Report = d.want, d.report
	follower, proposer, err := apply.New(o, p)
	if err != nil {
		return nil, err
	}
	d.poke, d.on = proposer.Poke, extentOf(follower.Applied())
	return &shard{o.Shard, proposer, follower, d}, nil
}
