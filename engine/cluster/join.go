package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/apply"
	"github.com/wirepost/wirepost/engine/cluster/internal/found"
	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
	"github.com/wirepost/wirepost/engine/cluster/internal/snapshot"
)

// Join opens the replica in a store, and starts a node with it, as Open does. If the log
// does not lead from the replica to the present, it first replaces the store by a snapshot
// of another node: because the store is empty and the cluster began with data or the log
// was trimmed, because the node was away for longer than the log reaches back, because the
// log was repaired without it, or because it is damaged. The old store remains until the
// snapshot is complete. O.Replica is not used. Progress is called while a snapshot is
// fetched; nil: it is not.
func Join(ctx context.Context, store engine.ReplicaStore, o Options, progress func(Progress)) (*Engine, error) {
	o.complete()
	for fetched := 0; ; fetched++ {
		e, empty, err := joinOnce(ctx, store, o)
		if err == nil || ctx.Err() != nil || o.Bus == nil || !needsSnapshot(err) || fetched == maxFetches {
			return e, err
		}
		o.Logger.Warn("the store of this node is replaced by a snapshot of another node", "because", err)
		if err := o.fetch(ctx, store, empty, progress); err != nil {
			return nil, fmt.Errorf("fetch a snapshot: %w", err)
		}
	}
}

// maxFetches is how often a store is replaced. More than once is needed if the log is
// trimmed further than to the snapshot before that is opened.
const maxFetches = 3

// joinOnce opens the store and a node with it. If that fails, empty says that the store has no
// data.
func joinOnce(ctx context.Context, store engine.ReplicaStore, o Options) (e *Engine, empty bool, err error) {
	replica, err := store.Open()
	if err != nil {
		return nil, false, err
	}
	o.Replica = replica
	if err = o.reached(ctx); err == nil {
		e, err = Open(ctx, o)
	}
	if err != nil {
		data, unknown := found.HasData(ctx, replica)
		return nil, !data && unknown == nil, errors.Join(err, replica.Close())
	}
	return e, false, nil
}

// needsSnapshot reports whether an error goes away with a snapshot.
func needsSnapshot(err error) bool {
	return errors.Is(err, ErrTrimmed) || errors.Is(err, ErrForked) || errors.Is(err, engine.ErrDamaged) || errors.Is(err, engine.ErrOutdated)
}

// reached returns an error if the log is known not to lead from the replica to the present.
// Whatever else there is to say about the log, Open says. As long as a shard has to be
// repaired, the replica remains: it may be the one that has most.
func (o *Options) reached(ctx context.Context) (needs error) {
	for i := range o.Shards {
		err := apply.Reaches(ctx, apply.Options{Shard: i, Node: o.Node, Level: o.level, Log: o.Log, Logger: o.Logger, Replica: o.Replica})
		switch {
		case apply.Loses(err):
			return nil
		case needsSnapshot(err) && needs == nil:
			needs = fmt.Errorf("shard %d: %w", i, err)
		}
	}
	return needs
}

// fetch replaces the store by a snapshot. Meanwhile it announces what this node does, and
// whether it is empty: the node that has the snapshot may still be founding the cluster.
func (o *Options) fetch(ctx context.Context, store engine.ReplicaStore, empty bool, progress func(Progress)) error {
	if err := nodes.Free(ctx, o.Bus, o.Node); err != nil {
		return err
	}
	f := fetching{self: nodes.Announcement{Node: o.Node, Run: rand.Text(), State: engine.NodeSnapshot, Version: o.Version, URL: o.URL, Empty: empty}}
	f.announcer = nodes.NewAnnouncer(o.Bus, o.Logger, f.announcement)
	announced, stop := context.WithCancel(ctx)
	var announcing sync.WaitGroup
	announcing.Go(func() { f.announcer.Run(announced) })
	defer announcing.Wait()
	defer stop()
	began := time.Now()
	fetcher := snapshot.Fetcher{Cluster: o.Name, Node: o.Node, Bus: o.Bus, Logger: o.Logger, Report: func(p Progress) {
		f.set(p)
		if progress != nil {
			progress(p)
		}
	}}
	if err := fetcher.Run(ctx, store); err != nil {
		return err
	}
	o.Logger.Info("a snapshot is installed", "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// fetching is what a node announces while it fetches a snapshot.
type fetching struct {
	self      nodes.Announcement
	announcer *nodes.Announcer

	mu sync.Mutex
	p  Progress
}

func (f *fetching) set(p Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p.Source != f.p.Source {
		f.announcer.Changed()
	}
	f.p = p
}

func (f *fetching) announcement() nodes.Announcement {
	f.mu.Lock()
	defer f.mu.Unlock()
	self := f.self
	self.Reason = f.p.String()
	return self
}
