package apply

import (
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
)

// stopError is an error after which the replica cannot go on.
type stopError struct{ error }

func (e *stopError) Unwrap() error { return e.error }

func stopped(format string, args ...any) error { return &stopError{fmt.Errorf(format, args...)} }

// pauseError is an error after which the replica may go on later.
type pauseError struct{ error }

func (e *pauseError) Unwrap() error { return e.error }

// following records that the log is followed from a position on, and where it ended then.
func (f *Follower) following(at uint64, now int64, last uint64) {
	f.mu.Lock()
	f.paused, f.unfollowed = nil, nil
	f.mirrorLocked(at, now)
	f.behind = true
	applied := f.applied.Applied
	f.mu.Unlock()
	f.proposer.Follow(applied)
	f.o.Following()
	f.caughtUp(at, last)
}

// advance records that the replica has applied a position. Last was the last one when it
// began to follow the log.
func (f *Follower) advance(at uint64, now int64, last uint64) {
	f.mu.Lock()
	f.mirrorLocked(at, now)
	f.ahead.applied(at)
	applied, behind := f.applied.Applied, f.behind && f.paused == nil
	f.mu.Unlock()
	f.proposer.Advance(applied)
	if behind {
		f.caughtUp(at, last)
	}
}

// caughtUp allows proposals once the replica has applied what was in the log when it began
// to follow it.
func (f *Follower) caughtUp(at, last uint64) {
	if at < last {
		return
	}
	f.mu.Lock()
	f.behind = false
	f.mu.Unlock()
	f.proposer.Open()
	f.o.Changed()
}

// mirrorLocked copies what other goroutines need of the note.
func (f *Follower) mirrorLocked(at uint64, now int64) {
	n := &f.note
	f.applied = Applied{
		Applied: propose.Applied{Position: at, Generation: n.Generation, History: n.History, Members: n.Members},
		Size:    n.Size, Time: now,
	}
}

// setUnfollowed records why the log cannot be followed.
func (f *Follower) setUnfollowed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unfollowed == nil {
		f.o.Logger.Warn("the log of the cluster cannot be followed", "shard", f.o.Shard, "error", err)
	}
	f.unfollowed = err
}

// pause records why the replica cannot go on for now. Nothing is proposed until it can.
func (f *Follower) pause(err error) {
	f.mu.Lock()
	if f.paused == nil || f.paused.Error() != err.Error() {
		f.o.Logger.Error("this replica has stopped until the cause is gone", "shard", f.o.Shard, "error", err)
	}
	f.paused = err
	f.pauses++
	f.mu.Unlock()
	f.proposer.Refuse(f.refusal(err))
	f.o.Changed()
}

// halt stops the replica for good.
func (f *Follower) halt(err error) {
	f.o.Logger.Error("this replica has stopped: it must not diverge from the others", "shard", f.o.Shard, "error", err)
	f.mu.Lock()
	f.stopped, f.paused = err, nil
	f.mu.Unlock()
	f.proposer.Refuse(f.refusal(err))
	f.o.Stopped(err)
	f.o.Changed()
}

// refusal returns the error of changes that are refused because of an error.
func (f *Follower) refusal(err error) error {
	kind := engine.ErrUnavailable
	if errors.As(err, new(*stopError)) {
		kind = engine.ErrFailed
	}
	return fmt.Errorf("%w: shard %d: %w", kind, f.o.Shard, err)
}

// Applied returns what the replica has applied.
func (f *Follower) Applied() Applied {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}

// Halted reports whether the replica has stopped, for good or until the cause is gone.
func (f *Follower) Halted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped != nil || f.paused != nil
}

// Behind reports whether the replica has not caught up with the log yet.
func (f *Follower) Behind() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.behind
}

// Lag returns how far the replica is behind the log, by the announcements of other nodes. A
// node that is isolated learns of no positions, so what it may have missed counts.
func (f *Follower) Lag() time.Duration {
	now := time.Now()
	missed := f.proposer.CutOff(now)
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.ahead.since(now), missed)
}

// Ready returns why the shard takes no changes now, or nil.
func (f *Follower) Ready() error {
	switch state, err := f.State(); state {
	case engine.NodeReady:
		return nil
	case engine.NodeIsolated:
		return fmt.Errorf("%w: shard %d: %w", engine.ErrIsolated, f.o.Shard, err)
	case engine.NodeCatchingUp:
		return fmt.Errorf("%w: shard %d: %w", engine.ErrCatchingUp, f.o.Shard, err)
	default:
		return f.refusal(err)
	}
}

// maxLag is the lag after which a node is not ready.
const maxLag = 10 * time.Second

// State returns what the shard does, and why it is not ready.
func (f *Follower) State() (engine.NodeState, error) {
	outage, current := f.proposer.Outage(), f.proposer.Current()
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.stopped != nil:
		return engine.NodeStopped, f.stopped
	case f.paused != nil:
		return engine.NodeStopped, f.paused
	case outage != nil:
		return engine.NodeIsolated, outage
	case f.behind || !current:
		return engine.NodeCatchingUp, errors.New("it is catching up with the log")
	}
	// One that is slow should be given no clients.
	if behind := f.ahead.since(time.Now()); behind >= maxLag {
		return engine.NodeCatchingUp, fmt.Errorf("it is %s behind the log", behind.Round(time.Second))
	}
	return engine.NodeReady, nil
}
