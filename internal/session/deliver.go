package session

import (
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/wire"
)

// flush sends the messages after the cursors, as far as the window and one batch allow,
// in one write, and returns the number of messages. On the loop.
func (s *Session) flush() int {
	if s.blocked || s.ending || s.conn == nil {
		return 0
	}
	b := &s.loop.batch
	for _, sub := range s.subs {
		s.addNotices(sub)
		s.pull(sub)
	}
	if b.full() {
		s.MarkDirty()
	}
	n := s.sendBatch()
	if s.mode == codec.Poll && !s.reading {
		s.conn.(CaughtUp).CaughtUp()
	}
	return n
}

// CaughtUp is implemented by the connection of a poll.
type CaughtUp interface {
	// CaughtUp is called when the session has sent all messages.
	CaughtUp()
}

// sendBatch writes the batch, empties it, and returns its number of messages.
func (s *Session) sendBatch() int {
	b := &s.loop.batch
	n := b.messages
	if len(b.frames) > 0 {
		if s.pingsAtOnce() {
			b.add(s.cursorPing())
		}
		began := s.beginDelivery()
		if !s.conn.Write(b.frames...) {
			s.blocked = true
		}
		s.endDelivery(began)
		s.acknowledgeLater()
	}
	b.reset()
	return n
}

// pull moves a subscription's cursor towards the head: from the feed's tail or, if the
// cursor is before it, by reading a page.
func (s *Session) pull(sub *subscription) {
	b := &s.loop.batch
	for sub.cursor < sub.Feed.Head() && !b.full() && s.roomFor(sub) > 0 {
		var lagging bool
		b.items, lagging = sub.Feed.After(sub.cursor, b.items[:0], batchFrames)
		if lagging {
			s.readPage(sub)
			return
		}
		if len(b.items) == 0 || !s.offerAll(sub, b.items) {
			return
		}
	}
}

// offerAll adds items to the batch, in order. False means that an item did not fit in
// the window or the batch.
func (s *Session) offerAll(sub *subscription, items []*feed.Item) bool {
	for _, it := range items {
		if s.loop.batch.full() || !s.offer(sub, it) {
			return false
		}
	}
	return true
}

// offer adds an item to the batch and moves the cursor past it. False means that the
// window is full.
func (s *Session) offer(sub *subscription, it *feed.Item) bool {
	r := it.Record
	switch {
	case r.Revokes != 0:
		if s.mode.Codec().Objects() {
			s.announceGap(sub, r.Seq)
			s.addItem(sub, it)
		}
	case !it.Gone(s.loop.nowMS):
		if s.counts(sub) && !s.enter(sub, r.Seq, len(r.Data)) {
			return false
		}
		s.announceGap(sub, r.Seq)
		s.addItem(sub, it)
		s.loop.batch.messages++
		if r.Trace != "" {
			s.trace(sub, r)
		}
	}
	sub.cursor = r.Seq
	return true
}

// enter adds a message to the window. False means that it does not fit.
func (s *Session) enter(sub *subscription, seq uint64, size int) bool {
	if s.window == nil {
		s.window = s.loop.newWindow()
	}
	return s.window.add(inFlight{sub: sub, seq: seq, size: size}, &s.loop.host.Config)
}

// addItem adds an item to the batch, framed for the client.
func (s *Session) addItem(sub *subscription, it *feed.Item) {
	b, channel := &s.loop.batch, sub.Feed.Channel()
	if s.mode.Codec().Acknowledged() == codec.ByReturn {
		sub.cursor, sub.moved = it.Record.Seq, true // the position sent with it includes it
	}
	n := len(b.frames)
	b.frames = s.mode.Codec().AppendMessage(b.frames, it, channel, s.conn.Window(), s)
	for _, frame := range b.frames[n:] {
		b.bytes += len(frame)
	}
}

// counts reports whether a subscription's messages count in the window. In plain mode
// only messages with a stored cursor are ever acknowledged, so only those count; none
// do where acknowledgements are impossible.
func (s *Session) counts(sub *subscription) bool {
	switch s.mode.Codec().Acknowledged() {
	case codec.ByPong:
		return sub.stored
	case codec.ByFrame:
		return true
	}
	return false
}

// announceGap sends a gap if messages before this record are missing: the next output
// of the channel, which the client may acknowledge, comes after it.
func (s *Session) announceGap(sub *subscription, resumedAt uint64) {
	if sub.notices == nil || !sub.notices.lost {
		return
	}
	sub.notices.lost = false
	s.addGap(sub, sub.notices.lostAt, resumedAt)
}

// addNotices sends notices that do not wait for the next message: that a device may
// have missed messages, and the newest read mark.
func (s *Session) addNotices(sub *subscription) {
	n := sub.notices
	if n == nil {
		return
	}
	if n.missed {
		n.missed = false
		s.addGap(sub, 0, sub.cursor+1)
	}
	if n.state != nil {
		s.loop.batch.add(s.notice(n.state))
		n.state = nil
	}
}

// addGap adds a gap to the batch. Plain mode cannot express it: there it is only
// counted.
func (s *Session) addGap(sub *subscription, after, resumedAt uint64) {
	s.loop.host.Counters.Gaps.Add(1)
	if s.mode.Codec().Objects() {
		s.loop.batch.add(s.notice(wire.Gap{
			Type: "gap", Channel: sub.Feed.Channel(), After: after, ResumedAt: resumedAt,
		}))
	}
}

// readPage starts reading the records after the cursor, off the loop. A session reads
// one page at a time, which limits its memory.
func (s *Session) readPage(sub *subscription) {
	if s.reading {
		return
	}
	s.reading = true
	room := s.roomFor(sub)
	f, after, window := sub.Feed, sub.cursor, s.conn.Window()
	s.loop.host.Pages.Go(func() {
		pages := s.loop.host.Pages
		page, err := f.Log().Read(s.loop.host.Base, f.Channel(), after, min(room, batchFrames), pages.Size())
		held := pages.Hold(page)
		items := feed.NewItems(page.Records)
		if window != 0 {
			codec.Prepare(s.mode.Codec(), items, f.Channel(), window)
		}
		s.loop.Do(func() {
			if !s.ending {
				s.pageRead(sub, after, page, items, err)
			}
			s.holdPage(held)
		})
	})
}

// roomFor returns how many messages of a subscription may be sent now.
func (s *Session) roomFor(sub *subscription) int {
	if !s.counts(sub) {
		return batchFrames
	}
	return s.window.room(&s.loop.host.Config)
}

// pageRead sends a page, as far as the window allows; the rest is read again later. On
// the loop.
func (s *Session) pageRead(sub *subscription, after uint64, page engine.Page, items []*feed.Item, err error) {
	s.reading = false
	if err != nil {
		s.loop.host.ReadFailed(s.loop.host.Base, sub.Feed.Channel(), err)
		s.end(wire.CloseInternal, "the store cannot be read")
		return
	}
	s.MarkDirty()
	if s.ending || sub.Owner == nil || sub.cursor != after {
		return // the subscription has ended, or its cursor has moved
	}
	if page.Lost {
		sub.lose(after)
	}
	if s.sendPage(sub, items) {
		sub.cursor = max(sub.cursor, page.Next)
	}
}

// sendPage sends the items of a page, and reports whether all of them fitted in the
// window.
func (s *Session) sendPage(sub *subscription, items []*feed.Item) bool {
	s.loop.nowMS = s.loop.host.Clock.Now().UnixMilli()
	all := s.offerAll(sub, items)
	s.loop.host.Counters.Deliveries.Add(uint64(s.sendBatch()))
	return all
}

var _ conn.Handler = (*Session)(nil)
