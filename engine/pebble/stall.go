package pebble

import (
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Pebble delays a write while there is too much to compact, and so does a disk that
// hangs. Pebble has no bound for that, and may not even compact: after a compaction has
// failed, Pebble skips its key range for half a minute, and then looks again only at the
// next flush, which a stalled write does not cause. So the engine gives up a commit that
// takes too long: requests that wait for it fail, and so do later ones, until the commit
// is done after all.
const (
	nudgeEvery = time.Second
	// deadAfter is the duration of a stall after which a restart is reported as needed. It
	// is longer than any temporary stall.
	deadAfter = time.Minute
)

// A read visits every sublevel of L0, so writes wait if there are too many. While
// compactions are suspended (see corruption), many more are allowed, up to Pebble's own
// limit: slow reads are better than no writes.
const (
	manySublevels    = 40
	damagedSublevels = 400
)

// awaitCompactions waits while there is too much to compact. It belongs to the committer.
func (e *Engine) awaitCompactions() {
	changed := e.background.Changes()
	select {
	case <-changed:
	default:
		return // unchanged since the last write
	}
	for e.db.Metrics().Levels[0].Sublevels >= manySublevels && !e.background.Parked() {
		<-changed
	}
}

// underway is the current commit. It is guarded by Engine.mu.
type underway struct {
	taken   []*request // nil: there is none
	began   time.Time
	stalled bool // no request waits for it any more
}

// beganLocked is called when the committer has taken requests.
func (e *Engine) beganLocked(taken []*request) {
	e.mu.commit = underway{taken: taken, began: time.Now()}
	e.watchdog.Reset(e.stallAfter)
}

// endedLocked is called when they are stored or have failed, before they are completed.
// It reports whether the watchdog has completed them.
func (e *Engine) endedLocked() (stalled bool) {
	e.watchdog.Stop()
	stalled = e.mu.commit.stalled && e.replica == nil
	e.mu.commit = underway{}
	return stalled
}

// overdue is the watchdog: it is called when a commit has taken too long, and repeatedly
// until it is done.
func (e *Engine) overdue() {
	e.mu.Lock()
	c := &e.mu.commit
	if c.taken == nil || time.Since(c.began) < e.stallAfter { // it ended meanwhile
		e.mu.Unlock()
		return
	}
	first := !c.stalled
	if first {
		c.stalled = true
		if e.replica == nil { // a batch that was given up could be applied twice
			e.giveUpLocked()
		}
	}
	e.watchdog.Reset(nudgeEvery)
	e.mu.Unlock()
	if first {
		e.log.Error("storage is stalled: writes are refused until it goes on", "after", e.stallAfter)
	}
	select {
	case e.stuck <- struct{}{}:
	default:
	}
	e.nudge()
}

// giveUpLocked fails all waiting requests. Those that the committer has taken still belong
// to it, because it may still store them.
func (e *Engine) giveUpLocked() {
	for _, rq := range e.mu.commit.taken {
		rq.done <- e.stalledLocked()
	}
	for _, rq := range e.mu.queue {
		e.unpinLocked(rq)
		rq.done <- e.stalledLocked()
	}
	e.mu.queue, e.mu.queued = nil, 0
	e.makeRoomLocked()
}

// stalledLocked returns the error of the current stall, or nil.
func (e *Engine) stalledLocked() error {
	c := &e.mu.commit
	if !c.stalled {
		return nil
	}
	waited := time.Since(c.began)
	err := fmt.Errorf("%w: a commit takes %s", engine.ErrStalled, waited.Round(time.Second))
	if waited >= deadAfter {
		err = fmt.Errorf("%w: stalled for %s", engine.ErrFailed, waited.Round(time.Second))
	}
	if cause := e.background.Damage(); cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// nudge makes Pebble look for compactions, which it does when a snapshot is closed.
func (e *Engine) nudge() {
	if !e.nudging.TryLock() {
		return // the one before has not come back
	}
	defer e.nudging.Unlock()
	if !e.released {
		_ = e.db.NewSnapshot().Close()
	}
}
