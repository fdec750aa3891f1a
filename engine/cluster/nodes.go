package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
)

// Cluster implements engine.Shared.
func (e *Engine) Cluster() engine.Cluster {
	self := e.self()
	c := engine.Cluster{Name: e.o.Name, Epoch: e.Epoch(), Node: e.o.Node, Nodes: append(e.otherNodes(), self.Describe())}
	if l, ok := e.o.Log.(Leaders); ok {
		c.Leaders = l.Leaders()
	}
	slices.SortFunc(c.Nodes, func(a, b engine.Node) int { return cmp.Compare(a.Name, b.Name) })
	return c
}

// self describes this node.
func (e *Engine) self() nodes.Announcement {
	a := nodes.Announcement{
		Node: e.o.Node, Run: e.run, UpMs: time.Since(e.started).Milliseconds(), State: engine.NodeReady, Version: e.o.Version, URL: e.o.URL,
		Positions: make(map[int]uint64, len(e.shards)), Repairing: e.repairing.Load(),
	}
	var lag time.Duration
	for _, s := range e.shards {
		applied := s.follower.Applied()
		a.Positions[s.number], lag = applied.Position, max(lag, s.follower.Lag())
		if applied.Generation > 0 {
			if a.Generations == nil {
				a.Generations = map[int]uint64{}
			}
			a.Generations[s.number] = applied.Generation
		}
	}
	a.LagMs = lag.Milliseconds()
	if f := e.connections.Load(); f != nil {
		a.Connections = (*f)()
	}
	a.State, a.Reason = e.state()
	return a
}

// state says what this node does, and why it is not ready.
func (e *Engine) state() (engine.NodeState, string) {
	state, reason := engine.NodeReady, ""
	if e.draining.Load() {
		state, reason = engine.NodeDraining, "it is being shut down"
	}
	for _, s := range e.all() {
		now, err := s.follower.State()
		if err != nil && rank(now) > rank(state) {
			state, reason = now, fmt.Sprintf("shard %d: %v", s.number, err)
		}
	}
	return state, reason
}

// rank orders the states of a node by how much there is to say about them.
func rank(s engine.NodeState) int {
	return slices.Index([]engine.NodeState{
		engine.NodeReady, engine.NodeDraining, engine.NodeCatchingUp, engine.NodeSnapshot, engine.NodeIsolated, engine.NodeStopped,
	}, s)
}

// SetConnections implements engine.Shared.
func (e *Engine) SetConnections(f func() int) { e.connections.Store(&f) }

// SetDraining implements engine.Shared.
func (e *Engine) SetDraining(draining bool) {
	e.draining.Store(draining)
	e.announcer.Changed()
}

// heard takes the announcement of a node.
func (e *Engine) heard(a *nodes.Announcement) {
	if a.Node == e.o.Node {
		self := e.self()
		if self.Yields(a) {
			for _, s := range e.all() {
				s.follower.Stop(fmt.Errorf("%w: %s %s", ErrNameTaken, a.Node, a.URL))
			}
		}
		return
	}
	if e.nodes.Heard(a) {
		e.announcer.Changed() // the node that started gets to know this one at once
	}
	for _, s := range e.shards {
		s.follower.Heard(a.Node, a.Positions[s.number], a.Generations[s.number])
	}
}
