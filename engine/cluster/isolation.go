package cluster

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
)

// A node that cannot propose may be cut off from the log, or the log may have no leader for
// some seconds. In the first case its pushes should fail soon, so that the backend tries
// another node; in the second they should wait, since no other node can do better. The log
// cannot tell: in both cases it does not answer. But a node that is cut off does not hear
// the other nodes either. So
//
//   - a node is isolated when the log has been silent for nodes.SilentAfter and all other nodes
//     have, too. What waits fails then, and what comes later fails at once.
//   - else changes wait for Options.Patience each. A shard that has taken no proposal for
//     that time is unreachable: changes in it fail at once, too, until it takes one.
//
// The batch in flight is proposed again all the while, which shows when it is over. So what
// failed may still be made later; an ID makes it safe to repeat it.

// isolation notices when this node is isolated, or a shard is unreachable.
type isolation struct {
	// Static.
	node     string
	durable  []*shard // those of the store
	all      []*shard // with that of memory-only channels
	nodes    *nodes.Others
	bus      bool          // there may be other nodes
	patience time.Duration // see Options.Patience
	after    time.Duration // see Options.Isolation
	logger   *slog.Logger
	changed  func()

	notify atomic.Pointer[func(isolated bool)]

	// Owned by look.
	since    time.Time // zero: it is not isolated
	notified bool      // notify was called
}

// look is one look at how the log responds. Calls do not overlap.
func (i *isolation) look(now time.Time) {
	silent, unreachable := true, true
	for _, s := range i.durable {
		silence, waiting := s.proposer.Silence(now)
		silent = silent && silence >= nodes.SilentAfter
		unreachable = unreachable && waiting >= i.patience
		s.proposer.SetUnreachable(waiting >= i.patience)
	}
	isolated := unreachable || silent && i.nodes.Silent(now, i.others())
	if isolated != !i.since.IsZero() {
		i.set(isolated, now)
	}
	if isolated && !i.notified && now.Sub(i.since) >= i.after {
		i.notified = true
		i.call(true)
	}
}

func (i *isolation) set(isolated bool, now time.Time) {
	if i.notified {
		i.call(false)
	}
	i.since, i.notified = time.Time{}, false
	if isolated {
		i.since = now
		i.logger.Error("this node does not reach the log of the cluster: changes are refused")
	} else {
		i.logger.Info("this node reaches the log of the cluster again")
	}
	for _, s := range i.all {
		s.proposer.SetIsolated(isolated)
	}
	i.changed()
}

func (i *isolation) call(isolated bool) {
	if f := i.notify.Load(); f != nil {
		(*f)(isolated)
	}
}

// others reports whether the log knows other members than this node.
func (i *isolation) others() bool {
	for _, s := range i.durable {
		for _, m := range s.follower.Applied().Members {
			if m.Node != i.node {
				return i.bus
			}
		}
	}
	return false
}
