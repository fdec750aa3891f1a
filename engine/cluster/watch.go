package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
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

// watchEvery is the time between two looks at how the log responds.
const watchEvery = 500 * time.Millisecond

var (
	errIsolated    = errors.New("this node reaches neither the log of the cluster nor the other nodes")
	errUnreachable = errors.New("the log of the cluster takes no changes")
)

// watchLog notices when the log is out of reach.
func (e *Engine) watchLog() {
	for pause.For(e.ctx, watchEvery) == nil {
		e.look(time.Now())
		e.admit()
	}
}

// admit finds out whether the replica would take more. What is in the log has to be applied
// by all nodes, so this is asked before a change is proposed, and not every time, because
// the replica asks the disk.
func (e *Engine) admit() {
	var refusal error
	if h, ok := e.Replica.(engine.Health); ok {
		refusal = h.Ready()
	}
	if refusal == nil {
		e.refusal.Store(nil)
	} else {
		e.refusal.Store(&refusal)
	}
}

// admitted returns why the replica would take no more, or nil.
func (e *Engine) admitted() error {
	if err := e.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// look is one look at how the log responds.
func (e *Engine) look(now time.Time) {
	silent, unreachable := true, true
	for _, s := range e.shards {
		silence, waiting := s.silence(now)
		silent = silent && silence >= nodes.SilentAfter
		unreachable = unreachable && waiting >= e.patience
		s.setUnreachable(waiting >= e.patience)
	}
	isolated := unreachable || silent && e.nodes.Silent(now, e.others())
	if isolated != !e.isolatedSince.IsZero() {
		e.setIsolated(isolated, now)
	}
	if isolated && !e.isolationTold && now.Sub(e.isolatedSince) >= e.isolation {
		e.isolationTold = true
		e.notifyIsolation(true)
	}
}

func (e *Engine) setIsolated(isolated bool, now time.Time) {
	if e.isolationTold {
		e.notifyIsolation(false)
	}
	e.isolatedSince, e.isolationTold = time.Time{}, false
	if isolated {
		e.isolatedSince = now
		e.logger.Error("this node does not reach the log of the cluster: changes are refused")
	} else {
		e.logger.Info("this node reaches the log of the cluster again")
	}
	e.isolated.Store(isolated)
	if isolated {
		for _, s := range e.all() {
			s.end(errIsolated)
		}
	}
	e.announcer.Changed()
}

// WatchIsolation implements engine.Shared.
func (e *Engine) WatchIsolation(f func(isolated bool)) { e.onIsolated.Store(&f) }

func (e *Engine) notifyIsolation(isolated bool) {
	if f := e.onIsolated.Load(); f != nil {
		(*f)(isolated)
	}
}

// others reports whether the log knows other members than this node.
func (e *Engine) others() bool {
	for _, s := range e.shards {
		s.mu.Lock()
		members := s.members
		s.mu.Unlock()
		for i := range members {
			if members[i].Node != e.node {
				return e.bus != nil
			}
		}
	}
	return false
}

// silence returns how long the log has been silent although this node proposed something,
// and how long it has taken no proposal.
func (s *shard) silence(now time.Time) (silence, waiting time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked.IsZero() {
		return 0, 0
	}
	waiting = now.Sub(s.asked)
	return min(waiting, now.Sub(s.reached)), waiting
}

func (s *shard) setUnreachable(unreachable bool) {
	s.mu.Lock()
	was := s.unreachable
	s.unreachable = unreachable
	s.mu.Unlock()
	if unreachable && !was {
		s.end(errUnreachable)
	}
	if unreachable != was {
		s.e.announcer.Changed()
	}
}

// refusesLocked returns why changes are refused because of the log, or nil.
func (s *shard) refusesLocked() error {
	switch {
	case s.e.isolated.Load():
		return errIsolated
	case s.unreachable:
		return errUnreachable
	}
	return nil
}

// slowLocked says how far a replica is behind that should be given no clients, or nil.
func (s *shard) slowLocked() error {
	if behind := s.ahead.since(time.Now()); behind >= maxLag {
		return fmt.Errorf("it is %s behind the log", behind.Round(time.Second))
	}
	return nil
}

// maxLag is the lag after which a node is not ready.
const maxLag = 10 * time.Second

// waitsLocked returns what the shard does and why it is not ready, apart from failures of
// the replica.
func (s *shard) waitsLocked() (engine.NodeState, error) {
	if err := s.refusesLocked(); err != nil {
		return engine.NodeIsolated, err
	}
	if s.behind || s.proof > 0 {
		return engine.NodeCatchingUp, errors.New("it is catching up with the log")
	}
	return engine.NodeCatchingUp, s.slowLocked()
}
