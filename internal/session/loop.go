package session

import (
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/feed"
)

// Loop is one event loop with the sessions that belong to it. Only the loop
// touches what they own, so they need no locks; everything else posts.
type Loop struct {
	*conn.Loop
	host  *Host
	waker *feed.Waker
	epoch time.Time // what sessions keep times against

	// Owned by the loop.
	dirty  []*Session // have something to send, or may have
	batch  batch      // scratch of the session being flushed
	nowMS  int64      // by the server's clock, in ms since the epoch, when the flush began
	resume resumeTask
}

// Do runs a function on the loop. False means that the loop has ended.
func (l *Loop) Do(fn func()) bool { return l.Post(conn.Func(fn)) }

// Epoch is what times are kept against on the loop.
func (l *Loop) Epoch() time.Time { return l.epoch }

// At is a time that was kept as the time since the epoch.
func (l *Loop) At(d time.Duration) time.Time { return l.epoch.Add(d) }

// onLoop runs a function on a loop and waits for its result. False means that the loop
// has ended.
func onLoop[T any](l *Loop, fn func() T) (result T, ok bool) {
	done := make(chan T, 1)
	if !l.Do(func() { done <- fn() }) {
		return result, false
	}
	return <-done, true
}

// largestBatch is about how many bytes one batch may have: one message too many, and
// it in its longest form.
func (l *Loop) largestBatch() int { return batchBytes + 2*maxFrame(l.host.MaxMessage) }

// resumeTask makes the loop take another turn for the sessions that are still
// dirty.
type resumeTask struct{}

// Run does nothing: the flush at the end of the turn does the work.
func (resumeTask) Run() {}
