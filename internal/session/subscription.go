package session

import (
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/wire"
)

// subscription is a session's position in a channel. Owned by the loop once the
// session is attached.
type subscription struct {
	feed.Subscription
	stored    bool // acknowledgements are stored
	granted   bool // a membership, by the backend or by the token
	requested bool // the client asked for it
	moved     bool // without a WebSocket: the cursor is not the stored one any more

	cursor  uint64   // the last sequence sent, or passed over
	notices *notices // nil when there are none
}

// notices are what a client is to be notified of besides the messages.
type notices struct {
	lost   bool   // a gap, before the next message
	lostAt uint64 // the cursor after which messages are missing
	missed bool   // a gap before where the subscription began, at once
	state  *wire.State
	read   uint64 // the read mark in the newest state
}

func (sub *subscription) pending() *notices {
	if sub.notices == nil {
		sub.notices = new(notices)
	}
	return sub.notices
}

// announced is the cursor, but not after a gap that the client was not notified of.
func (sub *subscription) announced() uint64 {
	if sub.notices != nil && sub.notices.lost {
		return min(sub.cursor, sub.notices.lostAt)
	}
	return sub.cursor
}

// unknown says that a gap is to be announced in the channel because its position was
// left out.
func (sub *subscription) unknown() bool {
	return sub.notices != nil && sub.notices.lost && sub.notices.lostAt == 0
}

// missing says that the subscription begins with a gap.
func (sub *subscription) missing() bool {
	return sub.notices != nil && sub.notices.missed || sub.unknown()
}

// class is the index of a subscription in positionShare.
func (sub *subscription) class() int {
	switch {
	case !sub.stored:
		return 0
	case sub.moved:
		return 1
	}
	return 2
}

// lose remembers that messages after a cursor are missing.
func (sub *subscription) lose(after uint64) {
	if n := sub.pending(); !n.lost {
		n.lost, n.lostAt = true, after
	}
}

// resumes says whether everything after the cursor is still there. A memory-only
// channel has lost what it had before the start; 0 stands for whatever it has.
func (sub *subscription) resumes(b engine.Bounds, memoryBase uint64) bool {
	return sub.cursor >= b.Lost || sub.cursor == 0 && sub.Feed.MemoryOnly() && b.Lost == memoryBase
}
