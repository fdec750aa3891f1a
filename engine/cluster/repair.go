package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
)

// Repair implements engine.Shared. It repairs all shards that have lost batches, or none:
// the nodes that are left behind by the repair of one shard fetch a snapshot, and lose what
// only they have of the others.
func (e *Engine) Repair(ctx context.Context, abandon bool) (repaired []int, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	if !e.repairing.CompareAndSwap(false, true) {
		return nil, errors.New("this node is repairing the log already")
	}
	defer e.repairing.Store(false)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(engine.ErrClosed) })()
	lost, err := e.lost()
	if err != nil || len(lost) == 0 {
		return nil, err
	}
	defer each(lost, func(s *shard) error { s.follower.EndRepair(); return nil }) //nolint:errcheck // it cannot fail
	if lost, err = settle(ctx, lost, abandon); err != nil || len(lost) == 0 {
		return nil, err
	}
	if err := e.mayRepair(ctx, lost, abandon); err != nil {
		return nil, err
	}
	err = each(lost, func(s *shard) error { return s.follower.Renew(ctx) })
	for _, s := range lost {
		if !s.follower.Lost() {
			repaired = append(repaired, s.number)
		}
	}
	return repaired, err
}

// lost returns the shards that have stopped because the log lost batches. It returns an error
// if it is not certain which these are, or this node cannot repair them.
func (e *Engine) lost() (lost []*shard, err error) {
	for _, s := range e.shards {
		if s.follower.Lost() {
			lost = append(lost, s)
		} else if doubt := s.follower.Unsettled(); doubt != nil {
			err = fmt.Errorf("shard %d: it is not certain yet whether the log has lost batches: %w", s.number, doubt)
		} else if state, stopped := s.follower.State(); state == engine.NodeStopped {
			err = fmt.Errorf("repair the log at another node, because this one has stopped: shard %d: %w", s.number, stopped)
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	return lost, err
}

// each calls f with all shards at the same time.
func each(shards []*shard, f func(*shard) error) error {
	errs := make([]error, len(shards))
	var calls sync.WaitGroup
	for i, s := range shards {
		calls.Go(func() {
			if err := f(s); err != nil {
				errs[i] = fmt.Errorf("shard %d: %w", s.number, err)
			}
		})
	}
	calls.Wait()
	return errors.Join(errs...)
}

// settle has shards apply what is left of their logs, and returns those that do not go on by
// themselves.
func settle(ctx context.Context, shards []*shard, abandon bool) (lost []*shard, err error) {
	err = each(shards, func(s *shard) error { return s.follower.Settle(ctx, abandon) })
	return slices.DeleteFunc(slices.Clone(shards), func(s *shard) bool { return !s.follower.Lost() }), err
}

// askTimeout limits the time in which another node says what it has.
const askTimeout = 2 * time.Second

// mayRepair returns an error if something would be given up that need not be.
func (e *Engine) mayRepair(ctx context.Context, lost []*shard, abandon bool) error {
	others, silent := e.ask(ctx)
	if len(silent) > 0 && !abandon {
		return fmt.Errorf("it is not known what node %s has: start it, or give up what only that node has", strings.Join(silent, " and "))
	}
	here := e.self()
	for _, a := range others {
		if a.Repairing {
			return fmt.Errorf("node %s is repairing the log", a.Node)
		}
		for _, s := range lost {
			if a.Generations[s.number] > here.Generations[s.number] {
				return fmt.Errorf("node %s has repaired shard %d already", a.Node, s.number)
			}
		}
	}
	return compare(here, others, lost, abandon)
}

// ask asks all other nodes what they have, and returns the names of those that do not
// respond.
func (e *Engine) ask(ctx context.Context) (others []nodes.Announcement, silent []string) {
	names := e.others()
	if e.o.Bus == nil {
		return nil, names
	}
	responses := make([]*nodes.Announcement, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() {
			limited, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			if a, err := nodes.Ask(limited, e.o.Bus, name); err == nil {
				responses[i] = a
			} else if last := e.nodes.Last(name); last != nil {
				responses[i] = last // it fetches a snapshot, for example
			}
		})
	}
	asking.Wait()
	for i, a := range responses {
		if a == nil {
			silent = append(silent, names[i])
		} else {
			others = append(others, *a)
		}
	}
	return others, silent
}

// others returns the names of the other nodes that may have something.
func (e *Engine) others() (names []string) {
	for _, n := range e.otherNodes() {
		names = append(names, n.Name)
	}
	for _, s := range e.shards {
		for _, m := range s.follower.Applied().Members {
			names = append(names, m.Node)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(name string) bool { return name == e.o.Node })
}

// compare returns an error unless this node has most of all shards that are lost. If none
// has most of all, something is given up in any case: with abandon that is allowed where it
// is least.
func compare(here nodes.Announcement, others []nodes.Announcement, lost []*shard, abandon bool) error {
	best, least := here.Node, missing(&here, others, lost, here.Generations)
	if least == 0 {
		return nil
	}
	for i := range others {
		everyone := append(slices.Clone(others), here)
		if n := missing(&others[i], everyone, lost, here.Generations); n < least {
			best, least = others[i].Node, n
		}
	}
	what := strings.Join(more(&here, others, lost), ", ")
	switch {
	case least == 0:
		return fmt.Errorf("%s: repair it at node %s, which has most of all shards", what, best)
	case best != here.Node:
		return fmt.Errorf("%s: no node has most of all shards, and least is lost at node %s: repair it there", what, best)
	case !abandon:
		return fmt.Errorf("%s: no node has most of all shards, and least is lost here: %d batches. Copy the data directories of the other nodes, and give up what only they have", what, least)
	}
	return nil
}

// missing returns how many batches a node does not have of the shards that are lost. One
// that a repair has left behind has none.
func missing(of *nodes.Announcement, others []nodes.Announcement, lost []*shard, generations map[int]uint64) (batches uint64) {
	for _, s := range lost {
		at := position(of, s.number, generations)
		most := at
		for i := range others {
			most = max(most, position(&others[i], s.number, generations))
		}
		batches += most - at
	}
	return batches
}

func position(of *nodes.Announcement, shard int, generations map[int]uint64) uint64 {
	if of.Generations[shard] != generations[shard] {
		return 0
	}
	return of.Positions[shard]
}

// more says what other nodes have more than this one.
func more(here *nodes.Announcement, others []nodes.Announcement, lost []*shard) (texts []string) {
	for _, s := range lost {
		for i := range others {
			a := &others[i]
			if has, at := position(a, s.number, here.Generations), here.Positions[s.number]; has > at {
				texts = append(texts, fmt.Sprintf("node %s has batches of shard %d up to %d, and this one up to %d", a.Node, s.number, has, at))
			}
		}
	}
	return texts
}

// halt has the node end because a shard has stopped for good, but not as long as others of
// its shards may have to be repaired: an embedded log may need the node for its majority,
// and the repair what it has.
func (e *Engine) halt(error) {
	e.ending.Store(true)
	e.maybeHalt()
}

func (e *Engine) maybeHalt() {
	unsettled := func(s *shard) bool { return s.follower.Unsettled() != nil }
	if e.ending.Load() && !slices.ContainsFunc(e.shards, unsettled) {
		e.halting.Do(func() { close(e.halted) })
	}
}
