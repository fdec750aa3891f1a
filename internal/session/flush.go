package session

import (
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/feed"
)

// NewLoop starts a loop for sessions of a server.
func NewLoop(h *Host) *Loop {
	l := &Loop{host: h, epoch: time.Now()}
	l.Loop = conn.NewLoop(conn.Config{MaxMessage: maxFrame(h.MaxMessage), MaxBare: h.MaxMessage, Flush: l.flush, Turned: l.turns.Observe})
	l.waker = feed.NewWaker(l.Post)
	return l
}

// flush sends the output of the sessions that became dirty in this turn. A session with
// more than a batch stays dirty, after the others.
func (l *Loop) flush() {
	if len(l.dirty) == 0 {
		return
	}
	l.nowMS = l.host.Clock.Now().UnixMilli()
	l.spans = 0
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
