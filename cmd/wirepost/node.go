//go:build !nocluster

package main

import (
	"context"
	"errors"

	"github.com/wirepost/wirepost/engine"
	replicated "github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/pebble"
)

// node is the engine of a node, with everything that it needs.
type node struct {
	*replicated.Engine
	parts parts
}

// parts are closed in the reverse order, when the engine is closed.
type parts []func() error

func (p *parts) add(close func() error) { *p = append(*p, close) }

func (p parts) close() error {
	var errs []error
	for i := range p {
		errs = append(errs, p[len(p)-1-i]())
	}
	return errors.Join(errs...)
}

// Close implements engine.Engine.
func (n *node) Close() error { return errors.Join(n.Engine.Close(), n.parts.close()) }

// openNode starts a node: it joins the log, and opens the replica. That the replica is
// still catching up with the log is said by its Ready.
func openNode(ctx context.Context, o nodeOptions) (engine.Shared, error) {
	var p parts
	n, err := o.open(ctx, &p)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return n, nil
}

func (o *nodeOptions) open(ctx context.Context, p *parts) (*node, error) {
	id, lock, err := o.config.claim(o.config.Data)
	if err != nil {
		return nil, err
	}
	p.add(lock.Close)
	o.log.Info("this is a node of a cluster", "cluster", id.Cluster, "node", id.Node, "shards", id.Shards, "log", o.config.ClusterLog)
	log, bus, err := o.openLog(ctx, id, p)
	if err != nil {
		return nil, err
	}
	o.phase.set("it opens its replica")
	shardOf := func(channel string) int { return replicated.ShardOf(channel, id.Shards) }
	store := pebble.NewDirectory(o.config.Data, id.Shards, shardOf, o.store)
	e, err := replicated.Join(ctx, store, replicated.Options{
		Name: id.Cluster, Node: id.Node, Version: version(), URL: o.url, Log: log, Bus: bus,
		Shards: id.Shards, MemoryBytes: o.memoryOnly, Isolation: o.config.isolation(),
		JoinOnly: o.config.ClusterJoin || id.Joined, Nodes: o.config.founders(), Logger: o.log,
		Waiting: func(reason string) { o.phase.set("it waits for the log of the cluster: " + reason) },
	}, func(p replicated.Progress) { o.phase.set("it fetches a snapshot: " + p.String()) })
	if err != nil {
		return nil, err
	}
	n := &node{e, *p}
	if !id.Joined {
		id.Joined = true
		if err := id.write(o.config.Data); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return n, nil
}
