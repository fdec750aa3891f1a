package pebble

import (
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Pebble makes a write wait while there is too much to compact, and so does a disk
// that hangs. It has no bound for that, and may even forget to compact: after a
// compaction failed, its key ranges are left alone for half a minute, and nothing
// makes Pebble look again when that is over but the next flush, which a stalled
// write does not cause. So a commit that takes too long is given up: everybody who
// waits for it is answered, and whoever comes later, until it is through after all.
const (
	nudgeEvery = time.Second
	// deadAfter is how long a stall lasts until a restart is said to be needed. It
	// is longer than any that ends by itself.
	deadAfter = time.Minute
)

// Every sublevel of L0 is one more place where a read has to look, so writes wait when
// there are too many. While compactions are parked (see corruption) many more are
// allowed: slow reads are better than no writes. Pebble's own limit is then the only one.
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
		return // as it was when the last write was let through
	}
	for e.db.Metrics().Levels[0].Sublevels >= manySublevels && !e.background.Parked() {
		<-changed
	}
}

// underway is the commit that is being made. It is guarded by Engine.mu.
type underway struct {
	taken   []*request // nil: there is none
	began   time.Time
	stalled bool // nobody waits for it any more
}

// beganLocked is called when the committer has taken requests.
func (e *Engine) beganLocked(taken []*request) {
	e.mu.commit = underway{taken: taken, began: time.Now()}
	e.watchdog.Reset(e.stallAfter)
}

// endedLocked is called when they are stored or not, before they are answered. It
// says whether they have been answered by the watchdog.
func (e *Engine) endedLocked() (stalled bool) {
	e.watchdog.Stop()
	stalled = e.mu.commit.stalled
	e.mu.commit = underway{}
	return stalled
}

// overdue is the watchdog: it is called when a commit has taken too long, and again
// and again while it goes on.
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
		e.giveUpLocked()
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

// giveUpLocked answers everybody who waits. What the committer has taken stays its
// own: it may be stored yet.
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

// stalledLocked is the error of a stall that is under way, or nil.
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

// nudge makes Pebble look for compactions: it does when a snapshot is closed.
func (e *Engine) nudge() {
	if !e.nudging.TryLock() {
		return // the one before has not come back
	}
	defer e.nudging.Unlock()
	if !e.released {
		_ = e.db.NewSnapshot().Close()
	}
}
