package wirepost

import (
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/feed"
)

// loop is one event loop with the sessions that belong to it. Only the loop
// touches what they own, so they need no locks; everything else posts.
type loop struct {
	*conn.Loop
	srv   *Server
	waker *feed.Waker
	epoch time.Time // what sessions keep times against

	// Owned by the loop.
	dirty  []*session // have something to send, or may have
	batch  batch      // scratch of the session being flushed
	nowMS  int64      // by the server's clock, in ms since the epoch, when the flush began
	resume resumeTask
}

// resumeTask makes the loop take another turn for the sessions that are still
// dirty.
type resumeTask struct{}

// Run does nothing: the flush at the end of the turn does the work.
func (resumeTask) Run() {}

func newLoop(srv *Server) *loop {
	l := &loop{srv: srv, epoch: time.Now()}
	l.Loop = conn.NewLoop(conn.Config{MaxMessage: maxFrame(srv.opts.MaxMessage), Flush: l.flush})
	l.waker = feed.NewWaker(l.Post)
	return l
}

// maxFrame is the longest message taken from a socket: what a publish frame needs
// for the largest data there may be, in base64 or with escapes. Plain messages are
// held to the limit itself.
func maxFrame(maxMessage int) int { return maxMessage + maxMessage/2 + 1<<10 }

// flush sends what the sessions that became dirty in this turn have to send. One
// that has more than a batch stays dirty, and the others come first.
func (l *loop) flush() {
	if len(l.dirty) == 0 {
		return
	}
	l.nowMS = l.srv.clock.Now().UnixMilli()
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
		l.srv.metrics.deliveries.Add(float64(delivered))
	}
	if len(l.dirty) > 0 {
		l.Post(l.resume)
	}
}

// post runs a function on the loop.
func (l *loop) post(fn func()) bool { return l.Post(conn.Func(fn)) }
