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

// resumeTask makes the loop take another turn for the sessions that are still
// dirty.
type resumeTask struct{}

// Run does nothing: the flush at the end of the turn does the work.
func (resumeTask) Run() {}

// NewLoop starts a loop for sessions of a server.
func NewLoop(h *Host) *Loop {
	l := &Loop{host: h, epoch: time.Now()}
	l.Loop = conn.NewLoop(conn.Config{MaxMessage: maxFrame(h.MaxMessage), Flush: l.flush})
	l.waker = feed.NewWaker(l.Post)
	return l
}

// maxFrame is the longest message taken from a socket: what a publish frame needs
// for the largest data there may be, in base64 or with escapes. Plain messages are
// held to the limit itself.
func maxFrame(maxMessage int) int { return maxMessage + maxMessage/2 + 1<<10 }

// flush sends what the sessions that became dirty in this turn have to send. One
// that has more than a batch stays dirty, and the others come first.
func (l *Loop) flush() {
	if len(l.dirty) == 0 {
		return
	}
	l.nowMS = l.host.Clock.Now().UnixMilli()
	delivered := 0
	round := len(l.dirty)
	for i := 0; i < round; i++ {
		ses := l.dirty[i]
		ses.dirty = false
		delivered += ses.flush()
	}
	l.dirty = append(l.dirty[:0], l.dirty[round:]...)
	clear(l.dirty[len(l.dirty):round])
	if delivered > 0 {
		l.host.Counters.Deliveries.Add(uint64(delivered))
	}
	if len(l.dirty) > 0 {
		l.Post(l.resume)
	}
}

// Do runs a function on the loop. False means that the loop has ended.
func (l *Loop) Do(fn func()) bool { return l.Post(conn.Func(fn)) }

// Epoch is what times are kept against on the loop.
func (l *Loop) Epoch() time.Time { return l.epoch }

// At is a time that was kept as the time since the epoch.
func (l *Loop) At(d time.Duration) time.Time { return l.epoch.Add(d) }
