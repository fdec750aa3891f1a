package committer

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
	manySublevels = 40
	// DamagedSublevels is for Pebble's options.
	DamagedSublevels = 400
)

// awaitCompactions waits while there is too much to compact. It belongs to the committer.
func (k *Committer) awaitCompactions() {
	changed := k.Background.Changes()
	select {
	case <-changed:
	default:
		return // unchanged since the last write
	}
	for k.DB.Metrics().Levels[0].Sublevels >= manySublevels && !k.Background.Parked() {
		<-changed
	}
}

// underway is the current commit. It is guarded by the mutex of the cache.
type underway struct {
	taken   []*request // nil: there is none
	began   time.Time
	stalled bool // no request waits for it any more
}

// beganLocked is called when the committer has taken requests.
func (k *Committer) beganLocked(taken []*request) {
	k.current = underway{taken: taken, began: time.Now()}
	k.watchdog.Reset(k.StallAfter)
}

// endedLocked is called when they are stored or have failed, before they are completed.
// It reports whether the watchdog has completed them.
func (k *Committer) endedLocked() (stalled bool) {
	k.watchdog.Stop()
	stalled = k.current.stalled && !k.Replica
	k.current = underway{}
	return stalled
}

// overdue is the watchdog: it is called when a commit has taken too long, and repeatedly
// until it is done.
func (k *Committer) overdue() {
	k.Cache.Lock()
	c := &k.current
	if c.taken == nil || time.Since(c.began) < k.StallAfter { // it ended meanwhile
		k.Cache.Unlock()
		return
	}
	first := !c.stalled
	if first {
		c.stalled = true
		if !k.Replica {
			k.giveUpLocked()
		}
	}
	k.watchdog.Reset(nudgeEvery)
	k.Cache.Unlock()
	if first {
		k.Log.Error("storage is stalled: writes are refused until it goes on", "after", k.StallAfter)
	}
	select {
	case k.stuck <- struct{}{}:
	default:
	}
	k.nudge()
}

// giveUpLocked fails all waiting requests. Those that the committer has taken still belong
// to it, because it may still store them.
func (k *Committer) giveUpLocked() {
	for _, rq := range k.current.taken {
		rq.done <- k.stalledLocked()
	}
	for _, rq := range k.queue.requests {
		k.Cache.UnpinLocked(rq.pins)
		rq.done <- k.stalledLocked()
	}
	k.queue.requests, k.queue.bytes = nil, 0
	k.queue.makeRoomLocked()
}

// stalledLocked returns the error of the current stall, or nil.
func (k *Committer) stalledLocked() error {
	c := &k.current
	if !c.stalled {
		return nil
	}
	waited := time.Since(c.began)
	err := fmt.Errorf("%w: a commit takes %s", engine.ErrStalled, waited.Round(time.Second))
	if waited >= deadAfter {
		err = fmt.Errorf("%w: stalled for %s", engine.ErrFailed, waited.Round(time.Second))
	}
	if cause := k.Background.Damage(); cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// nudge makes Pebble look for compactions, which it does when a snapshot is closed.
func (k *Committer) nudge() {
	if !k.nudging.TryLock() {
		return // the one before has not come back
	}
	defer k.nudging.Unlock()
	if !k.released {
		_ = k.DB.NewSnapshot().Close()
	}
}

// Stalled returns the error of the current stall, or nil.
func (k *Committer) Stalled() error {
	k.Cache.Lock()
	defer k.Cache.Unlock()
	return k.stalledLocked()
}
