package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
)

const (
	// followPause is the pause after the log could not be followed.
	followPause = 100 * time.Millisecond
	// resumePause is the pause after the replica could not go on, for a reason that may
	// pass.
	resumePause = time.Second
)

// follow applies the entries of the shard until the engine is closed, or one cannot be
// applied.
func (s *shard) follow() {
	for s.e.ctx.Err() == nil {
		err := s.followOnce()
		if s.e.ctx.Err() != nil {
			return
		}
		wait := followPause
		switch {
		case errors.Is(err, errRefollow):
			continue
		case errors.As(err, new(*stopError)):
			s.halt(err)
			return
		case errors.As(err, new(*pauseError)):
			s.pause(err)
			wait = resumePause
		default:
			s.setFollowing(err)
		}
		if pause.For(s.e.ctx, wait) != nil {
			return
		}
	}
}

// stopError is an error after which the replica cannot go on.
type stopError struct{ error }

func (e *stopError) Unwrap() error { return e.error }

func stopped(format string, args ...any) error { return &stopError{fmt.Errorf(format, args...)} }

// pauseError is an error after which the replica may go on later.
type pauseError struct{ error }

func (e *pauseError) Unwrap() error { return e.error }

// errRefollow ends a call of Follow, so that the log is checked again.
var errRefollow = errors.New("follow the log again")

// refollow has the shard check the log again, and follow it from its position.
func (s *shard) refollow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.restart != nil {
		s.restart(errRefollow)
	}
}

func (s *shard) followOnce() error {
	ctx, cancel := context.WithCancelCause(s.e.ctx)
	defer cancel(nil)
	s.mu.Lock()
	s.restart = cancel
	s.mu.Unlock()
	if err := s.e.fatal.Load(); err != nil {
		return err
	}
	at, now, data := s.replica.Applied(s.number)
	var err error
	if s.note, err = note.Decode(data); err != nil {
		return &stopError{err}
	}
	at, first, last, err := s.check(ctx, at)
	if err != nil {
		return err
	}
	through, err := s.stage(ctx, at, last)
	if err != nil {
		return err
	}
	s.recent.Reset(at, s.note.History)
	if through == math.MaxUint64 {
		s.following(at, last)
	}
	for entry, err := range s.e.log.Follow(ctx, s.number, at) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrTrimmed) && s.memory == nil:
			return stopped("%w: it begins at %d, and this replica is at %d", ErrTrimmed, first, at)
		case err != nil:
			return err
		case entry.Position != at+1:
			return stopped("the log has a hole: %d follows %d", entry.Position, at)
		}
		now = max(now, entry.Time)
		began := time.Now()
		if err := s.apply(ctx, &entry, now); err != nil {
			return err
		}
		s.e.applyTime.Observe(time.Since(began))
		at = entry.Position
		s.applied(at, now, last)
		if at >= through {
			return errRepairing
		}
	}
	return context.Cause(ctx)
}

// apply applies an entry of the log, and completes the calls of this node that are in it.
func (s *shard) apply(ctx context.Context, entry *Entry, now int64) error {
	b, err := batch.Decode(entry.Data, s.e.level)
	if err != nil {
		return stopped("batch %d cannot be applied: %w", entry.Position, err)
	}
	if has, disagrees := s.disagrees(b, entry.Position); disagrees && entry.Position > s.note.Void {
		if err := s.skip(ctx, entry.Position, has); err != nil {
			return err
		}
	}
	if b.Genesis != nil && b.Generation == s.note.Generation+1 && !s.note.Follows(b, entry.Position) && s.recent.Agrees(b.Base, b.History) {
		// A repair that came to nothing: the replica that began it has gone on.
		b.Generation = s.note.Generation
	}
	verdict, err := s.note.Take(b, entry, now)
	if err != nil {
		return stopped("batch %d cannot be applied: %w", entry.Position, err)
	}
	next := &engine.Batch{Shard: s.number, Position: entry.Position, Time: now, Note: s.note.Append(nil)}
	if verdict == note.Apply {
		next.Changes, next.Sweep = b.Changes, b.Sweep
	}
	results, err := s.replica.Apply(context.WithoutCancel(ctx), next)
	switch {
	case errors.Is(err, engine.ErrClosed):
		return err
	case errors.Is(err, engine.ErrFull) || errors.Is(err, engine.ErrStalled):
		return &pauseError{fmt.Errorf("batch %d cannot be applied now: %w", entry.Position, err)}
	case err != nil:
		return stopped("batch %d cannot be applied: %w", entry.Position, err)
	}
	s.recent.Add(entry.Position, s.note.History)
	s.e.count(len(entry.Data))
	own := s.owns(b)
	if verdict == note.Apply {
		s.notifyUsers(b, own)
	}
	if own {
		s.complete(b, verdict, results)
	}
	return nil
}

// skip makes the entries from a position on void, if the log was repaired because of what a
// node has. Else the shard must not go on.
func (s *shard) skip(ctx context.Context, position uint64, has sight) error {
	_, last, err := s.e.log.Bounds(ctx, s.number)
	if err != nil {
		return err
	}
	genesis, later, err := s.voided(ctx, position-1, last)
	switch {
	case err != nil:
		return err
	case later:
		return leftBehind(position - 1)
	case genesis == 0:
		return lost(has)
	}
	s.note.Void = genesis - 1
	return nil
}

// owns reports whether this shard proposed a batch.
func (s *shard) owns(b *batch.Batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return b.Proposer == s.proposer
}

// notifyUsers calls the watcher of users with the updates of a batch.
func (s *shard) notifyUsers(b *batch.Batch, own bool) {
	watch := s.e.watchUsers.Load()
	if watch == nil {
		return
	}
	var updates []engine.Update
	for _, ch := range b.Changes {
		if ch.Update != nil {
			updates = append(updates, *ch.Update)
		}
	}
	if len(updates) > 0 {
		(*watch)(updates, own)
	}
}

// complete completes the calls of a batch. One that was made before the log was repaired
// is made again.
func (s *shard) complete(b *batch.Batch, v note.Verdict, results []engine.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Proposer != s.proposer || b.Counter != s.counter || s.seen == nil || v == note.Repeated {
		return
	}
	if v == note.Outdated {
		s.again()
		return
	}
	for _, c := range s.flight {
		c.end(results[:c.entries:c.entries], nil)
		results = results[c.entries:]
	}
	s.flight, s.asked = nil, time.Time{}
	close(s.seen)
	s.seen = nil
	if s.proof > 0 && b.Counter >= s.proof {
		s.proof = 0
		s.e.announcer.Changed()
	}
}

// following records that the log is followed from a position on, and where it ended then.
func (s *shard) following(at, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused, s.unfollowed = nil, nil
	s.mirrorLocked(at)
	s.reachedLocked()
	s.behind = true
	// What a log says about its end may be old: that of a leader that was elected just now,
	// for example. Only a batch that is proposed from now on is after all that was
	// acknowledged before.
	s.proof, s.report = s.counter+1, true
	s.caughtUpLocked(last)
	s.poke()
}

// caughtUpLocked allows proposals once the replica has applied what was in the log when it
// began to follow it. Before that it does not know whether it agrees with the log.
func (s *shard) caughtUpLocked(last uint64) {
	if !s.behind || s.at < last || s.paused != nil {
		return
	}
	s.behind = false
	s.open()
	s.e.announcer.Changed()
}

// applied records that the replica has applied a position. Last was the last one when the
// replica began to follow the log.
func (s *shard) applied(at uint64, now int64, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mirrorLocked(at)
	s.time = now
	s.caughtUpLocked(last)
	s.moved = time.Now()
	s.reachedLocked()
	s.ahead.applied(at)
}

// mirrorLocked copies what other goroutines need of the note.
func (s *shard) mirrorLocked(at uint64) {
	n := &s.note
	s.at, s.size, s.generation, s.history, s.members = at, n.Size, n.Generation, n.History, n.Members
}

// setFollowing records why the log cannot be followed.
func (s *shard) setFollowing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unfollowed == nil {
		s.e.logger.Warn("the log of the cluster cannot be followed", "shard", s.number, "error", err)
	}
	s.unfollowed = err
}

// pause records why the replica cannot go on for now. Nothing is proposed until it can.
func (s *shard) pause(err error) {
	s.mu.Lock()
	if s.paused == nil || s.paused.Error() != err.Error() {
		s.e.logger.Error("this replica has stopped until the cause is gone", "shard", s.number, "error", err)
	}
	s.paused = err
	s.pauses++
	s.asked, s.unreachable = time.Time{}, false
	s.shut()
	s.mu.Unlock()
	s.end(err)
	s.e.announcer.Changed()
}

// halt stops the shard for good.
func (s *shard) halt(err error) {
	s.e.logger.Error("this replica has stopped: it must not diverge from the others", "shard", s.number, "error", err)
	if s.memory == nil {
		s.e.outdate(err)
	}
	s.mu.Lock()
	s.stopped, s.paused = err, nil
	s.shut()
	s.mu.Unlock()
	s.end(err)
	s.e.halting.Do(func() { close(s.e.halted) })
	s.e.announcer.Changed()
}
