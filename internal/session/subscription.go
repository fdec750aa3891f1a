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
	granted   bool // a membership, of the backend or of the token
	requested bool // requested by the client
	moved     bool // without a WebSocket: the cursor differs from the stored one

	cursor  uint64   // the last sequence sent or skipped
	notices *notices // nil if there are none
}

// notices are the pending notices of a subscription.
type notices struct {
	lost   bool   // a gap, before the next message
	lostAt uint64 // the cursor after which messages are missing
	missed bool   // a gap before the start of the subscription, sent at once
	state  *wire.State
	read   uint64 // the read mark in the newest state
}

func (sub *subscription) pending() *notices {
	if sub.notices == nil {
		sub.notices = new(notices)
	}
	return sub.notices
}

// announced is the cursor, or the last sequence before a gap that the client was not
// notified of.
func (sub *subscription) announced() uint64 {
	if sub.notices != nil && sub.notices.lost {
		return min(sub.cursor, sub.notices.lostAt)
	}
	return sub.cursor
}

// unknown reports whether a gap must be announced because the channel's position was
// left out of the client's cursor.
func (sub *subscription) unknown() bool {
	return sub.notices != nil && sub.notices.lost && sub.notices.lostAt == 0
}

// missing reports whether the subscription begins with a gap.
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

// lose records that messages after a cursor are missing.
func (sub *subscription) lose(after uint64) {
	if n := sub.pending(); !n.lost {
		n.lost, n.lostAt = true, after
	}
}

// resumes reports whether all messages after the cursor still exist. A memory-only
// channel has lost those from before the server's start; 0 stands for the oldest.
func (sub *subscription) resumes(b engine.Bounds) bool {
	return sub.cursor >= b.Lost || sub.cursor == 0 && b.Lost == b.Base
}
