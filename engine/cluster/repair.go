package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
)

// Repair implements engine.Shared.
//
// The log gets another genesis, of the next generation, which says after which position of
// this replica it goes on. Entries between that position and the genesis are void.
func (e *Engine) Repair(ctx context.Context, abandon bool) (shards []int, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	for _, s := range e.shards {
		repaired, failed := s.repair(ctx, abandon)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("shard %d: %w", s.number, failed))
		} else if repaired {
			shards = append(shards, s.number)
		}
	}
	return shards, err
}

// repairing is a stage of a repair, during which a shard applies nothing else.
type repairing int

const (
	notRepairing repairing = iota
	settling               // it applies what is in the log, as far as it agrees
	renewing               // it waits for the genesis
)

// errRepairing stops a shard during a repair.
var errRepairing = &pauseError{fmt.Errorf("%w: it is being repaired", errLost)}

// errBusy says that the shard is being repaired at this node already.
var errBusy = errors.New("it is being repaired already")

// repair reports whether there was something to repair.
func (s *shard) repair(ctx context.Context, abandon bool) (repaired bool, err error) {
	s.mu.Lock()
	lost, busy := errors.Is(s.paused, errLost), s.repairing != notRepairing
	s.mu.Unlock()
	switch {
	case busy:
		return false, errBusy
	case !lost:
		return false, nil
	}
	defer s.setRepairing(notRepairing)
	if err := s.settle(ctx, abandon); err != nil {
		return false, err
	}
	s.setRepairing(renewing)
	s.mu.Lock()
	b := batch.Batch{
		Level: 1, Epoch: s.e.epoch, Generation: s.generation + 1, Proposer: batch.NewProposer(), Counter: 1,
		Base: s.at, History: s.history, Genesis: &batch.Genesis{Cluster: s.e.name, Shards: len(s.e.shards)},
	}
	s.mu.Unlock()
	if node, position := s.e.nodes.Ahead(s.number, b.Base, b.Generation-1, abandon); node != "" {
		return false, fmt.Errorf("node %s has batches up to %d, and this one up to %d: repair it there, or give up what only that node has", node, position, b.Base)
	}
	_, last, err := s.e.log.Bounds(ctx, s.number)
	if err != nil {
		return false, err
	}
	s.e.logger.Warn("repairing the log", "shard", s.number, "position", b.Base, "ended", last)
	if last < b.Base {
		if err := s.e.log.Restart(ctx, s.number, b.Base); err != nil {
			return false, err
		}
	}
	if err := s.renew(ctx, b.Append(nil), b.Generation); err != nil {
		return false, err
	}
	return true, nil
}

// settle has the replica apply what is in the log, as far as it agrees.
func (s *shard) settle(ctx context.Context, abandon bool) error {
	s.mu.Lock()
	if abandon {
		s.furthest, s.ahead = sight{}, lag{}
	}
	s.repairing = settling
	pauses := s.pauses
	s.mu.Unlock()
	for {
		if err := pause.For(ctx, followPause); err != nil {
			return err
		}
		s.mu.Lock()
		settled := s.pauses > pauses
		s.mu.Unlock()
		if settled {
			return nil
		}
	}
}

func (s *shard) setRepairing(to repairing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repairing = to
	if to == renewing {
		s.furthest, s.ahead = sight{}, lag{}
	}
}

// renew proposes a genesis until the replica has applied it.
func (s *shard) renew(ctx context.Context, data []byte, generation uint64) error {
	for {
		try, cancel := context.WithTimeout(ctx, proposeTimeout)
		err := s.e.log.Propose(try, s.number, data)
		cancel()
		if err != nil {
			s.e.logger.Warn("the log takes no changes", "shard", s.number, "error", err)
		}
		for began := time.Now(); time.Since(began) < 3*resumePause; {
			if done, err := s.renewed(generation); done || err != nil {
				return err
			}
			if err := pause.For(ctx, followPause); err != nil {
				return err
			}
		}
	}
}

func (s *shard) renewed(generation uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation >= generation, s.stopped
}

// stage says how far to follow a log that is being repaired, or that this replica has
// stopped to follow: through which position, and which entries are void.
func (s *shard) stage(ctx context.Context, at, last uint64) (through uint64, err error) {
	s.mu.Lock()
	stage, paused := s.repairing, s.paused != nil
	s.mu.Unlock()
	if !paused {
		return math.MaxUint64, nil
	}
	genesis, _, err := s.voided(ctx, at, last)
	switch {
	case err != nil:
		return 0, err
	case genesis > 0:
		s.note.Void = genesis - 1
	case stage == renewing || stage == settling && at == last:
		return 0, errRepairing
	case stage == settling:
		return last, nil
	}
	return math.MaxUint64, nil
}

// heard records that another node has applied a position.
func (s *shard) heard(node string, position, generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if position <= s.at || generation != s.generation {
		return
	}
	s.ahead.heard(position, time.Now())
	if position > s.furthest.position {
		s.furthest = sight{node, position}
	}
}

// suspectAfter is how long another node may be ahead before the log is asked whether it has
// what that node has.
const suspectAfter = 3 * time.Second

// suspect checks the log again if it ends before what another node has.
func (s *shard) suspect(ctx context.Context) {
	s.mu.Lock()
	suspicious, furthest := s.ahead.since(time.Now()) >= suspectAfter && s.paused == nil, s.furthest
	s.mu.Unlock()
	if !suspicious {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	if _, last, err := s.e.log.Bounds(ctx, s.number); err == nil && last < furthest.position {
		s.refollow()
	}
}

// voided returns the position of the genesis by which a log that was repaired goes on after
// a position of this replica, and 0 if there is none. Then later reports whether the log
// was repaired after a later position.
func (s *shard) voided(ctx context.Context, at, last uint64) (genesis uint64, later bool, err error) {
	if last <= at {
		return 0, false, nil
	}
	for entry, err := range s.e.log.Follow(ctx, s.number, at) {
		if err != nil {
			return 0, false, err
		}
		b, err := batch.DecodeHeader(entry.Data)
		switch {
		case err != nil:
			return 0, false, stopped("entry %d of the log: %w", entry.Position, err)
		case b.Generation > s.note.Generation && b.Base == at && b.History == s.note.History:
			return entry.Position, false, nil
		case b.Generation > s.note.Generation && b.Base <= at:
			return 0, false, leftBehind(at)
		case b.Generation > s.note.Generation:
			return 0, true, nil
		case entry.Position >= last:
			return 0, false, nil
		}
	}
	return 0, false, context.Cause(ctx)
}

// leftBehind is the error of a replica that has what a repaired log has given up.
func leftBehind(at uint64) error {
	return stopped("%w: the log was repaired without what this one has up to %d", ErrForked, at)
}
