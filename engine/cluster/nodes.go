package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// nodes are the other nodes that this one has heard of.
type nodes struct {
	mu    sync.Mutex
	known map[string]*known
}

type known struct {
	last announcement
	at   time.Time // when it was heard
}

func (n *nodes) heard(a *announcement) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]*known{}
	}
	n.known[a.Node] = &known{*a, time.Now()}
}

// describe returns the other nodes.
func (n *nodes) describe() (all []engine.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.known {
		node := k.last.describe()
		if silent := time.Since(k.at); silent >= silentAfter {
			node.State = engine.NodeUnreachable
			node.Reason = fmt.Sprintf("it has not been heard of for %s", silent.Round(time.Second))
			if last := k.last.Reason; last != "" {
				node.Reason += "; before that: " + last
			}
			node.Connections = 0
		}
		all = append(all, node)
	}
	return all
}

// ahead returns a node that has more of a shard than up to a position, or "". With abandon
// nodes that are silent do not count.
func (n *nodes) ahead(shard int, at, generation uint64, abandon bool) (node string, position uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, k := range n.known {
		a := &k.last
		if a.Generations[shard] != generation || abandon && time.Since(k.at) >= silentAfter {
			continue
		}
		if p := a.Positions[shard]; p > max(at, position) {
			node, position = name, p
		}
	}
	return node, position
}

// silent reports whether there are other nodes, and none was heard for silentAfter. With
// others there are some in any case.
func (n *nodes) silent(now time.Time, others bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.known {
		if now.Sub(k.at) < silentAfter {
			return false
		}
		others = true
	}
	return others
}

// alive reports whether a node was heard lately.
func (n *nodes) alive(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.known[node]
	return k != nil && time.Since(k.at) < silentAfter
}

func (n *nodes) forget(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, node)
}

// Cluster implements engine.Shared.
func (e *Engine) Cluster() engine.Cluster {
	self := e.self()
	c := engine.Cluster{Name: e.name, Epoch: e.Epoch(), Node: e.node, Nodes: append(e.nodes.describe(), self.describe())}
	c.Nodes = append(c.Nodes, e.absent(c.Nodes)...)
	if l, ok := e.log.(Leaders); ok {
		c.Leaders = l.Leaders()
	}
	slices.SortFunc(c.Nodes, func(a, b engine.Node) int { return cmp.Compare(a.Name, b.Name) })
	return c
}

// self describes this node.
func (e *Engine) self() announcement {
	a := announcement{
		Node: e.node, Run: e.run, UpMs: time.Since(e.started).Milliseconds(), State: engine.NodeReady, Version: e.version, URL: e.url,
		Positions: make(map[int]uint64, len(e.shards)),
	}
	var lag time.Duration
	for _, s := range e.shards {
		position, generation, behind := s.progress()
		a.Positions[s.number], lag = position, max(lag, behind)
		if generation > 0 {
			if a.Generations == nil {
				a.Generations = map[int]uint64{}
			}
			a.Generations[s.number] = generation
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
		now, err := s.state()
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
	e.poke()
}
