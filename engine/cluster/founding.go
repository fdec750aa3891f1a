package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/found"
	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
)

// An empty log is that of a new cluster, or one that was lost. A node that has applied
// something of it knows which, but it may be the last one to start. So a node that could
// found the cluster announces whether it has data, and waits until it has heard from all
// others that they have none; if it does not know how many there are, for a moment.

// hearingFor is how long a node that does not know how many others there are waits for one
// that has data. One that runs announces itself at once, and otherwise every second.
const hearingFor = 2 * nodes.Every

// found founds the cluster if that is new, and returns its epoch.
func (o *Options) found(ctx context.Context) (epoch string, err error) {
	fo := found.Options{
		Cluster: o.Name, Shards: o.Shards, Level: o.level, JoinOnly: o.JoinOnly, Log: o.Log, Replica: o.Replica, Logger: o.Logger,
		Waiting: o.Waiting,
	}
	unfounded, err := o.unfounded()
	if err != nil {
		return "", err
	}
	if o.Bus == nil || !unfounded {
		return found.Cluster(ctx, fo)
	}
	data, err := found.HasData(ctx, o.Replica)
	if err != nil {
		return "", err
	}
	f := &founding{
		self: nodes.Announcement{
			Node: o.Node, Run: rand.Text(), State: engine.NodeCatchingUp, Reason: "it waits until the cluster is founded",
			Version: o.Version, URL: o.URL, Empty: !data,
		},
		nodes: o.Nodes, began: time.Now(), heard: map[string]hearing{},
	}
	f.announcer = nodes.NewAnnouncer(o.Bus, o.Logger, func() nodes.Announcement { return f.self })
	stop, err := f.announcer.Listen(f.hear)
	if err != nil {
		return "", fmt.Errorf("listen to the other nodes: %w", err)
	}
	defer stop()
	announced, end := context.WithCancel(ctx)
	var announcing sync.WaitGroup
	announcing.Go(func() { f.announcer.Run(announced) })
	defer announcing.Wait()
	defer end()
	fo.May = f.may
	return found.Cluster(ctx, fo)
}

// unfounded reports whether the replica knows nothing of the cluster in some shard.
func (o *Options) unfounded() (bool, error) {
	for shard := range o.Shards {
		_, _, data := o.Replica.Applied(shard)
		n, err := note.Decode(data)
		if err != nil {
			return false, fmt.Errorf("shard %d: %w", shard, err)
		}
		if n.Epoch == "" {
			return true, nil
		}
	}
	return false, nil
}

// founding is what a node knows of the others while it waits until the cluster is founded.
type founding struct {
	// Static.
	self      nodes.Announcement
	announcer *nodes.Announcer
	nodes     int // see Options.Nodes
	began     time.Time

	mu    sync.Mutex
	heard map[string]hearing // by the name of the node
}

// hearing is the last announcement of another node.
type hearing struct {
	run   string
	empty bool
	at    time.Time
}

func (f *founding) hear(a *nodes.Announcement) {
	if a.Run == f.self.Run {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heard[a.Node].run != a.Run {
		f.announcer.Changed() // so that it hears of this one at once
	}
	f.heard[a.Node] = hearing{a.Run, a.Empty, time.Now()}
}

var errHearing = errors.New("it is empty: this node waits a moment for nodes that have data of the cluster")

// may returns why this node must not found the cluster, or not yet.
func (f *founding) may() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	empty := []string{}
	for _, name := range slices.Sorted(maps.Keys(f.heard)) {
		switch h := f.heard[name]; {
		case time.Since(h.at) >= nodes.SilentAfter:
		case !h.empty:
			return fmt.Errorf("it is empty, but node %s has data of the cluster, or is about to found it: if that node says that the log lost batches, repair it there", name)
		case name != f.self.Node:
			empty = append(empty, name)
		}
	}
	switch {
	case !f.self.Empty || f.nodes == 0:
		if time.Since(f.began) < hearingFor {
			return errHearing
		}
	case len(empty)+1 < f.nodes:
		return fmt.Errorf("it is empty: this node founds the cluster once it has heard from all %d nodes that they have no data, and it has heard from %d others: %v", f.nodes, len(empty), empty)
	}
	return nil
}
