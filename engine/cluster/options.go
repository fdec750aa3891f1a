package cluster

import (
	"log/slog"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
)

// Options configures an Engine.
type Options struct {
	Name    string // of the cluster
	Node    string // the name of this node, unique in the cluster
	Version string // of the program, for Cluster
	URL     string // where clients and backends reach this node, for Cluster
	Log     Log
	Bus     engine.Bus     // nil: there are no other nodes
	Replica engine.Replica // closed with the engine
	Shards  int            // of Replica; Log has one more, see there
	// MemoryBytes limits the records of memory-only channels. 0: memory.DefaultMaxBytes.
	MemoryBytes int64
	Logger      *slog.Logger // nil: slog.Default()
	// JoinOnly has a node without data wait for a cluster that another node founds. Without
	// it the first node founds the cluster, see Nodes.
	JoinOnly bool
	// Nodes is the number of nodes of a new cluster. A node without data founds it once it
	// has heard from all others that they have none either. 0: not known; then it waits for
	// 2 s for a node that has some.
	Nodes int
	// Waiting is called with what Open waits for in the log, when that changes. Nil: it is
	// not.
	Waiting func(reason string)
	// Patience is how long a change waits for the log, for example while it elects a
	// leader. 0: 10 s.
	Patience time.Duration
	// Isolation is how long this node may be isolated before the function of
	// WatchIsolation is called. 0: 10 s.
	Isolation time.Duration
	// FlushEvery is the time between two flushes of the replica. A node that was killed
	// reads the log again from its last flush. 0: 2 s.
	FlushEvery time.Duration
	// Keep limits what the log keeps for members that are behind.
	Keep Keep
	// SnapshotRate is how many bytes a second this node sends of its store to a node that
	// joins. 0: DefaultSnapshotRate.
	SnapshotRate int
	// TickEvery is the time without a batch after which a shard gets one without changes,
	// so that its time goes on and what has ended is removed. A node waits up to a quarter
	// longer, so that the nodes do not all propose one. 0: 1 s.
	TickEvery time.Duration

	level int // 0: batch.Level
}

func (o *Options) complete() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Second
	}
	if o.Isolation <= 0 {
		o.Isolation = 10 * time.Second
	}
	if o.TickEvery <= 0 {
		o.TickEvery = time.Second
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 2 * time.Second
	}
	if o.level == 0 {
		o.level = batch.Level
	}
	o.Keep.complete()
}
