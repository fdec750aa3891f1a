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

// Last returns the last announcement of a node that was heard lately, or nil.
func (n *Others) Last(node string) *Announcement {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.known[node]
	if k == nil || time.Since(k.at) >= SilentAfter {
		return nil
	}
	last := k.last
	return &last
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
