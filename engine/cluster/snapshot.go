package cluster

import (
	"context"
	"errors"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/snapshot"
)

// serveSnapshots serves snapshots of the replica, if it has some, until stop is called.
func (e *Engine) serveSnapshots() (stop func(), err error) {
	source, ok := e.Replica.(engine.Snapshotter)
	if !ok {
		return func() {}, nil
	}
	e.snapshots = snapshot.Server{
		Cluster: e.o.Name, Node: e.o.Node, Bus: e.o.Bus, Source: source, BytesPerSecond: e.o.SnapshotRate, Logger: e.o.Logger,
		Ready: e.Ready, Draining: e.draining.Load, Hold: e.hold, Release: e.release,
	}
	return e.snapshots.Start(e.ctx)
}

// Snapshot implements engine.Copier with the replica of this node. A node that joins waits
// until it is closed, or fetches from another one.
func (e *Engine) Snapshot(ctx context.Context) (engine.Snapshot, error) {
	r, ok := e.Replica.(engine.Copier)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return r.Snapshot(ctx)
}

// hold keeps the log from the present position on until release: as long as another node
// fetches a snapshot, this one does not report that it has later positions on its disk, so
// the log is kept within the limits of Keep.
func (e *Engine) hold() {
	for _, s := range e.shards {
		s.durable.hold(extentOf(s.follower.Applied()))
	}
}

func (e *Engine) release() {
	for _, s := range e.shards {
		s.durable.release()
	}
}

// outdate has the next start fetch a snapshot, if that helps against the error by which a
// shard has stopped for good: the start may not meet the error before the node is in use.
func (e *Engine) outdate(err error) {
	defer e.halt(err)
	r, ok := e.Replica.(engine.Snapshotter)
	if !ok || !needsSnapshot(err) {
		return
	}
	if err := r.Outdate(err.Error()); err != nil {
		e.o.Logger.Warn("cannot record that this replica needs a snapshot", "error", err)
	}
}
