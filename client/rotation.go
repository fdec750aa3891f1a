package client

import "time"

// rotation is the order in which a client, or a call, tries the nodes of a cluster. Each
// node has a backoff of its own: one that failed is tried again after a pause, and the
// others meanwhile. With a single node that is an ordinary backoff.
type rotation struct {
	nodes      []tried
	unsuitable int // attempts, one after the other, after which only another node may do
}

// tried is what is known about a node.
type tried struct {
	backoff backoff
	due     time.Time // when it may be tried again
}

func newRotation(nodes int, first, limit time.Duration) *rotation {
	r := &rotation{nodes: make([]tried, nodes)}
	for i := range r.nodes {
		r.nodes[i].backoff = backoff{first: first, limit: limit}
	}
	return r
}

// again reports whether there is another attempt after an error: one that may pass, or that
// another node, which has not been tried since, may not have.
func (r *rotation) again(passes, unsuitable bool) bool {
	switch {
	case passes:
		r.unsuitable = 0
	case unsuitable && r.unsuitable+1 < len(r.nodes):
		r.unsuitable++
	default:
		return false
	}
	return true
}

// failed records that a node failed, and how long it asked to be left alone: 0 if it did
// not say. It returns the pause before the node is tried again.
func (r *rotation) failed(node int, retryAfter time.Duration) time.Duration {
	t := &r.nodes[node]
	pause := retryAfter
	if pause == 0 {
		pause = t.backoff.next()
	}
	t.due = time.Now().Add(pause)
	return pause
}

// next returns the node to try now, beginning with the given one, or the one to try first
// of all, and how long to wait before that.
func (r *rotation) next(node int) (int, time.Duration) {
	earliest, wait := node, time.Until(r.nodes[node].due)
	for i := 1; i < len(r.nodes) && wait > 0; i++ {
		other := (node + i) % len(r.nodes)
		if until := time.Until(r.nodes[other].due); until < wait {
			earliest, wait = other, until
		}
	}
	return earliest, max(0, wait)
}

// reset forgets the failures of all nodes.
func (r *rotation) reset() {
	for i := range r.nodes {
		r.nodes[i].backoff.reset()
		r.nodes[i].due = time.Time{}
	}
}
