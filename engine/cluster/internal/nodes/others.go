package nodes

import (
	"fmt"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Others are the other nodes that have announced themselves to this one. All methods are
// safe for concurrent use.
type Others struct {
	mu    sync.Mutex
	known map[string]*known
}

type known struct {
	last Announcement
	at   time.Time // when it was heard
}

// Heard takes an announcement, and reports whether the node has started since the last one.
func (n *Others) Heard(a *Announcement) (started bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]*known{}
	}
	before := n.known[a.Node]
	n.known[a.Node] = &known{*a, time.Now()}
	return before == nil || before.last.Run != a.Run
}

// Describe returns the other nodes.
func (n *Others) Describe() (all []engine.Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.known {
		node := k.last.Describe()
		if silent := time.Since(k.at); silent >= SilentAfter {
			node.State = engine.NodeUnreachable
			node.Reason = fmt.Sprintf("it has announced nothing for %s", silent.Round(time.Second))
			if last := k.last.Reason; last != "" {
				node.Reason += "; before that: " + last
			}
			node.Connections = 0
		}
		all = append(all, node)
	}
	return all
}

// Ahead returns a node that has more of a shard than up to a position, or "". With abandon
// nodes that are silent do not count.
func (n *Others) Ahead(shard int, at, generation uint64, abandon bool) (node string, position uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, k := range n.known {
		a := &k.last
		if a.Generations[shard] != generation || abandon && time.Since(k.at) >= SilentAfter {
			continue
		}
		if p := a.Positions[shard]; p > max(at, position) {
			node, position = name, p
		}
	}
	return node, position
}

// Silent reports whether there are other nodes, and none was heard for SilentAfter. With
// others there are some in any case.
func (n *Others) Silent(now time.Time, others bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.known {
		if now.Sub(k.at) < SilentAfter {
			return false
		}
		others = true
	}
	return others
}

// Alive reports whether a node was heard lately.
func (n *Others) Alive(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.known[node]
	return k != nil && time.Since(k.at) < SilentAfter
}

// Forget forgets a node, until it is heard again.
func (n *Others) Forget(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, node)
}
