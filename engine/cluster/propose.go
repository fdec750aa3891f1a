package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/memory"
)

const (
	// proposeTimeout limits one attempt at a proposal, and proposePause is the pause after
	// one that failed.
	proposeTimeout = 5 * time.Second
	proposePause   = 100 * time.Millisecond
	// doubtAfter is how long proposals may fail before the log has to be checked again: it
	// may have gone on without this node, and lost something.
	doubtAfter = 2 * time.Second
	// seenAfter is how long a batch that is in the log may take until it is seen there.
	seenAfter = time.Second
	// proposeFor is how long a batch is proposed again. It is much less than forgetAfter, so
	// that it is not applied twice.
	proposeFor = time.Hour
)

// pending is the content of the batch in flight.
type pending struct {
	level   int
	sweep   bool
	forget  string
	report  *batch.Report
	changes [][]byte
	size    int
}

// proposeAll proposes what is queued, one batch at a time, until the engine is closed.
func (s *shard) proposeAll() {
	tick := time.NewTimer(s.untilTick())
	defer tick.Stop()
	for s.admitted() {
		if s.take() {
			s.propose()
			continue
		}
		select {
		case <-s.work:
		case <-tick.C:
			tick.Reset(s.untilTick())
			if s.tick() {
				s.propose()
			}
		case <-s.e.ctx.Done():
		}
	}
	s.end(context.Cause(s.e.ctx))
}

// admitted waits until proposals may be made, and returns false when the engine is closed.
func (s *shard) admitted() bool {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	select {
	case <-gate:
		return s.e.ctx.Err() == nil
	case <-s.e.ctx.Done():
		return false
	}
}

// take makes the next batch of what is queued, if there is something.
func (s *shard) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size, entries := 0, 0, 0
	for n < len(s.queue) {
		c := s.queue[n]
		if n > 0 && (c.alone || s.queue[n-1].alone || size+len(c.data) > maxBatch || s.memory != nil && entries+c.entries > memory.MaxEntries) {
			break
		}
		size += len(c.data)
		entries += c.entries
		n++
	}
	if n == 0 {
		if !s.report {
			return false
		}
		s.nextLocked(pending{level: 1})
		return true
	}
	s.flight = append([]*call(nil), s.queue[:n]...)
	rest := copy(s.queue, s.queue[n:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
	s.queued -= size
	s.roomLocked()
	p := pending{level: 1, changes: make([][]byte, n), size: size}
	for i, c := range s.flight {
		p.changes[i] = c.data
		p.sweep = p.sweep || c.sweep
		p.level = max(p.level, c.level)
		p.forget = c.forget
	}
	s.nextLocked(p)
	return true
}

// nextLocked makes the next batch.
func (s *shard) nextLocked(p pending) {
	if s.report {
		s.report = false
		s.reported, s.reportedAt = s.durable, time.Now()
		p.report = &batch.Report{Node: s.e.node, Level: s.e.level, Durable: s.durable.position, Size: s.durable.size}
	}
	s.counter++
	s.pending = p
	s.seen = make(chan struct{})
}

// encode encodes the batch in flight.
func (s *shard) encode() (data []byte, seen <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	b := batch.Batch{
		Level: p.level, Epoch: s.e.epoch, Generation: s.generation, Proposer: s.proposer, Counter: s.counter,
		Base: s.at, History: s.history, Sweep: p.sweep, Report: p.report, Forget: p.forget,
	}
	if s.memory != nil {
		b.Base, b.History = 0, 0
	}
	return b.Append(make([]byte, 0, p.size+256), p.changes...), s.seen
}

// propose proposes the batch in flight until it was seen in the log, or the engine is
// closed.
func (s *shard) propose() {
	began := time.Now()
	data, seen := s.encode()
	for s.admitted() {
		if time.Since(began) > proposeFor {
			s.abandon()
			return
		}
		s.ask()
		ctx, cancel := context.WithTimeout(s.e.ctx, proposeTimeout)
		err := s.e.log.Propose(ctx, s.number, data)
		cancel()
		s.proposed(err)
		wait := seenAfter
		if err != nil {
			wait = proposePause
		}
		again := time.NewTimer(wait)
		select {
		case <-seen:
			again.Stop()
			return
		case <-s.outdated:
			data, seen = s.encode()
		case <-again.C:
			if err == nil {
				s.missed()
			}
		case <-s.e.ctx.Done():
		}
		again.Stop()
	}
}

// missed has the log checked again, because a batch that was acknowledged was not seen. If
// the replica is only behind, it just takes longer.
func (s *shard) missed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.behind && s.stopped == nil && s.paused == nil && time.Since(s.moved) >= seenAfter {
		s.askLocked() // until it was taken again, or seen
		s.shut()
		s.restart(errRefollow)
	}
}

// again has the batch in flight encoded again, because the log was repaired.
func (s *shard) again() {
	select {
	case s.outdated <- struct{}{}:
	default:
	}
}

// abandon gives up the batch in flight. It may still be in the log, so the next one is of
// another proposer.
func (s *shard) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.flight {
		c.end(nil, fmt.Errorf("%w: the log of the cluster has not answered for %s", engine.ErrStalled, proposeFor))
	}
	s.flight, s.pending, s.seen = nil, pending{}, nil
	s.proposer, s.counter, s.proof = batch.NewProposer(), 0, min(s.proof, 1)
}

// proposed records the outcome of an attempt at a proposal.
func (s *shard) proposed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.broken == nil && s.e.ctx.Err() == nil {
		s.e.logger.Warn("the log of the cluster takes no changes", "shard", s.number, "error", err)
	}
	s.broken = err
	switch {
	case err == nil:
		s.asked = time.Time{}
		s.reachedLocked()
	case time.Since(s.asked) >= doubtAfter && s.stopped == nil && s.paused == nil:
		s.shut()
		s.restart(errRefollow)
	}
}

// ask records that a proposal is being made.
func (s *shard) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.askLocked()
}

func (s *shard) askLocked() {
	if s.asked.IsZero() {
		s.asked = time.Now()
	}
}

// untilTick is when a tick is due at the earliest, later at every node by another time, so
// that one of them is usually the first.
func (s *shard) untilTick() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(time.Until(s.moved.Add(s.e.tickEvery)), s.e.tickEvery/10)
}

// tick makes a batch without changes, if the shard has had none for a while.
func (s *shard) tick() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind || time.Since(s.moved) < s.e.tickEvery {
		return false
	}
	s.nextLocked(pending{level: 1, sweep: true})
	return true
}
