package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// followPause is the pause after the log could not be followed.
const followPause = 100 * time.Millisecond

// follow applies the entries of the shard until the engine is closed, or one cannot be
// applied.
func (s *shard) follow() {
	for s.e.ctx.Err() == nil {
		err := s.followOnce()
		if s.e.ctx.Err() != nil {
			return
		}
		if fatal := (*stopError)(nil); errors.As(err, &fatal) {
			s.halt(fatal.err)
			return
		}
		s.e.logger.Warn("the log of the cluster cannot be followed", "shard", s.number, "error", err)
		select {
		case <-time.After(followPause):
		case <-s.e.ctx.Done():
		}
	}
}

// stopError is an error after which the replica cannot go on.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }
func (e *stopError) Unwrap() error { return e.err }

func stopped(format string, args ...any) error { return &stopError{fmt.Errorf(format, args...)} }

func (s *shard) followOnce() error {
	at, now, _ := s.replica.Applied(s.number)
	first, last, err := s.e.log.Bounds(s.e.ctx, s.number)
	switch {
	case err != nil:
		return err
	case s.memory != nil && last >= at && first > at+1:
		at = first - 1
		s.memory.Skip(at)
	case s.memory != nil && last < at:
		return fmt.Errorf("the log in memory was lost: it ends at %d, and this node is at %d", last, at)
	case last < at:
		return stopped("the log has lost batches: it ends at %d, and this replica is at %d", last, at)
	case first > at+1:
		return stopped("%w: it begins at %d, and this replica is at %d", ErrTrimmed, first, at)
	}
	s.caughtUp(at, last)
	for entry, err := range s.e.log.Follow(s.e.ctx, s.number, at) {
		switch {
		case errors.Is(err, ErrTrimmed) && s.memory == nil:
			return stopped("%w: this replica is at %d", err, at)
		case err != nil:
			return err
		case entry.Position != at+1:
			return stopped("the log has a hole: %d follows %d", entry.Position, at)
		}
		now = max(now, entry.Time)
		if err := s.apply(entry, now); err != nil {
			return stopped("batch %d cannot be applied: %w", entry.Position, err)
		}
		at = entry.Position
		s.caughtUp(at, last)
	}
	return context.Cause(s.e.ctx)
}

// caughtUp records whether everything is applied that was in the log at the start.
func (s *shard) caughtUp(at, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind && at >= last {
		s.behind = false
		s.e.poke()
	}
	s.moved = time.Now()
	s.at = at
	s.ahead.applied(at)
}

// apply applies an entry of the log, and completes the calls of this node that are in it.
func (s *shard) apply(entry Entry, now int64) error {
	b, err := decodeBatch(entry.Data)
	if err != nil {
		return err
	}
	next := &engine.Batch{Shard: s.number, Position: entry.Position, Time: now}
	fresh := s.note.apply(b, now)
	if fresh {
		next.Changes, next.Sweep = b.changes, b.sweep
	}
	next.Note = s.note.append(nil)
	results, err := s.replica.Apply(context.WithoutCancel(s.e.ctx), next)
	if err != nil {
		return err
	}
	if fresh {
		s.notifyUsers(b)
	}
	if fresh && b.proposer == s.e.proposer {
		s.complete(b.counter, results)
	}
	return nil
}

// notifyUsers calls the watcher of users with the updates of a batch.
func (s *shard) notifyUsers(b *batch) {
	watch := s.e.watchUsers.Load()
	if watch == nil {
		return
	}
	var updates []engine.Update
	for _, ch := range b.changes {
		if ch.Update != nil {
			updates = append(updates, *ch.Update)
		}
	}
	if len(updates) > 0 {
		(*watch)(updates, b.proposer == s.e.proposer)
	}
}

// complete completes the calls of a batch.
func (s *shard) complete(counter uint64, results []engine.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if counter != s.counter || s.seen == nil {
		return
	}
	for _, c := range s.flight {
		c.end(results[:c.entries:c.entries], nil)
		results = results[c.entries:]
	}
	s.flight = nil
	close(s.seen)
	s.seen = nil
}

// halt stops the shard for good.
func (s *shard) halt(err error) {
	s.e.logger.Error("this replica has stopped: it must not diverge from the others", "shard", s.number, "error", err)
	s.mu.Lock()
	s.stopped = err
	s.mu.Unlock()
	s.e.poke()
	s.end(err)
}
