package session

import (
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/feed"
)

// Loop is one event loop with its sessions. Only the loop accesses their state, so they
// need no locks; other goroutines post tasks.
type Loop struct {
	*conn.Loop
	host  *Host
	waker *feed.Waker
	epoch time.Time // the base of the times that sessions keep
	turns count.Histogram

	// Owned by the loop.
	dirty  []*Session // have something to send, or may have
	batch  batch      // output of the session being flushed
	nowMS  int64      // by the server's clock, in ms since the epoch, when the flush began
	spans  int        // deliveries recorded in this turn
	resume resumeTask
	spare  []*window // empty, of no session
}

// Do runs a function on the loop. False means that the loop is closed.
func (l *Loop) Do(fn func()) bool { return l.Post(conn.Func(fn)) }

// Turns are the durations of the loop's turns: how long events of one connection wait
// for the others.
func (l *Loop) Turns() count.Snapshot { return l.turns.Snapshot() }

// Epoch is the base of the times kept on the loop.
func (l *Loop) Epoch() time.Time { return l.epoch }

// At converts a time since the epoch.
func (l *Loop) At(d time.Duration) time.Time { return l.epoch.Add(d) }

// onLoop runs a function on a loop and waits for its result. False means that the loop
// is closed.
func onLoop[T any](l *Loop, fn func() T) (result T, ok bool) {
	done := make(chan T, 1)
	if !l.Do(func() { done <- fn() }) {
		return result, false
	}
	return <-done, true
}

// largestBatch is about the largest size of a batch in bytes: a full batch and one more
// message in its longest form.
func (l *Loop) largestBatch() int { return batchBytes + 2*maxFrame(l.host.MaxMessage) }

// resumeTask makes the loop take another turn for the sessions that are still dirty.
type resumeTask struct{}

// Run does nothing: the flush at the end of the turn does the work.
func (resumeTask) Run() {}
