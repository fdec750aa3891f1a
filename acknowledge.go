package wirepost

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// A ping's payload is its kind and a number. Only a pong with the payload of the
// outstanding cursor ping acknowledges anything.
const (
	cursorPing    = 'c'
	heartbeatPing = 'h'
)

// heartbeatsLost is after how many silent heartbeats a connection counts as dead.
const heartbeatsLost = 2.4

// pings is what a session has to remember of the pings it sends. Owned by the
// loop.
type pings struct {
	number      uint64 // of the last one sent
	outstanding uint64 // the cursor ping that waits for its pong; 0 for none
	// unpinged is when the first message was sent that no cursor ping covers; zero
	// when there is none.
	unpinged time.Time
	beat     time.Time // of the last heartbeat ping
}

func (p *pings) payload(kind byte) []byte {
	p.number++
	return binary.BigEndian.AppendUint64([]byte{kind}, p.number)
}

// acknowledgeLater has a cursor ping follow what was just sent in plain mode:
// lazily, so that a stream of messages costs hardly any, but before the window is
// full.
func (s *session) acknowledgeLater() {
	if s.mode != modePlain || s.pings.outstanding != 0 || len(s.window.sent) == 0 || s.ending {
		return
	}
	o := &s.srv.opts
	if 2*len(s.window.sent) >= o.Window || 2*s.window.bytes >= o.WindowBytes {
		s.sendCursorPing()
		return
	}
	if s.pings.unpinged.IsZero() {
		s.pings.unpinged = s.loop.Now()
		s.armTimer()
	}
}

// sendCursorPing asks the peer's WebSocket stack how far it came. Frames arrive
// in order, so its pong proves that it has everything sent before the ping.
func (s *session) sendCursorPing() {
	for _, sub := range s.subs {
		sub.pinged = sub.cursor
	}
	s.pings.unpinged = time.Time{}
	payload := s.pings.payload(cursorPing)
	s.pings.outstanding = s.pings.number
	s.send(conn.AppendFrame(nil, conn.OpPing, payload))
}

// Pong implements conn.Handler.
func (s *session) Pong(payload []byte) {
	if s.pings.outstanding == 0 || len(payload) != 9 || payload[0] != cursorPing ||
		binary.BigEndian.Uint64(payload[1:]) != s.pings.outstanding {
		return
	}
	s.pings.outstanding = 0
	for _, sub := range s.subs {
		if sub.stored {
			s.acknowledge(sub, sub.pinged)
		}
	}
	s.acknowledgeLater()
}

// acknowledge takes it that the client has everything up to a sequence, but never
// more than was sent. In plain mode there is no other word from the client, so an
// acknowledged inbox message counts as read.
func (s *session) acknowledge(sub *subscription, through uint64) {
	through = min(through, sub.cursor)
	if n := s.window.leave(sub, through); n > 0 {
		s.srv.metrics.acks.Add(float64(n))
		s.markDirty()
	}
	if !sub.stored {
		return
	}
	s.user.acknowledge(s.srv, s.device, sub.feed.channel, through)
	if s.mode == modePlain && sub.feed.channel == InboxOf(s.user.name) {
		s.read(sub.feed.channel, through)
	}
}

// read moves the user's read mark and tells the user's sessions, if it moved.
func (s *session) read(channel string, seq uint64) {
	if s.user.advanceRead(channel, seq) {
		s.srv.saver.later(s.user)
		s.jobs.add(s, func() { s.srv.tellState(s.user, channel) })
	}
}

// armTimer sets the session's one timer to whatever is due next.
func (s *session) armTimer() {
	now := s.loop.Now()
	due := s.nextBeat(now)
	if !s.pings.unpinged.IsZero() {
		due = earlier(due, s.pings.unpinged.Add(s.srv.opts.AckDelay))
	}
	if !s.expires.IsZero() {
		due = earlier(due, s.expires)
	}
	s.loop.Arm(&s.timer, due.Sub(now))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// nextBeat is when the heartbeat has to look at the connection again.
func (s *session) nextBeat(now time.Time) time.Time {
	last, beat := s.conn.LastRead(), s.srv.opts.Heartbeat
	if s.pings.beat.Before(last) {
		return last.Add(s.jittered(beat))
	}
	return earlier(s.pings.beat.Add(beat), last.Add(time.Duration(heartbeatsLost*float64(beat))))
}

// jittered is up to a tenth less than d, so that connections made together do not
// beat together.
func (s *session) jittered(d time.Duration) time.Duration {
	return d - rand.N(d/10+1)
}

// Expired does what is due. It is called by the session's timer, on the loop.
func (s *session) Expired() {
	if s.ending {
		return
	}
	now := s.loop.Now()
	if !s.expires.IsZero() && !now.Before(s.expires) {
		s.end(wire.CloseUnauthorized, "token expired")
		return
	}
	if !s.pings.unpinged.IsZero() && now.Sub(s.pings.unpinged) >= s.srv.opts.AckDelay {
		s.sendCursorPing()
	}
	if !s.heartbeat(now) {
		return
	}
	s.armTimer()
}

// heartbeat pings a connection that has been silent for a while. False means that
// it was silent for too long.
func (s *session) heartbeat(now time.Time) bool {
	silent, beat := now.Sub(s.conn.LastRead()), s.srv.opts.Heartbeat
	switch {
	case silent >= time.Duration(heartbeatsLost*float64(beat)):
		s.end(wire.CloseHeartbeat, "heartbeat lost")
		return false
	case silent >= beat-beat/10 && now.Sub(s.pings.beat) >= beat-beat/10:
		s.pings.beat = now
		s.send(conn.AppendFrame(nil, conn.OpPing, s.pings.payload(heartbeatPing)))
	}
	return true
}

// setState has the client told where the user's read mark is. Only the newest
// counts, however long the client takes to read. On the loop.
func (s *session) setState(channel string, read uint64, unread int) {
	sub := s.subscription(channel)
	if sub == nil || read < sub.told {
		return
	}
	sub.told = read
	sub.state = &wire.State{Type: "state", Channel: channel, Read: read, Unread: unread}
	s.markDirty()
}
