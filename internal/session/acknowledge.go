package session

import (
	"encoding/binary"
	"time"

	"github.com/wirepost/wirepost/internal/codec"
)

// acknowledgeLater schedules a cursor ping after the messages just sent in plain mode:
// late enough that a stream of messages needs few pings, but before the window is full.
// No ping is sent while part of a message is unsent: Drained calls this again.
func (s *Session) acknowledgeLater() {
	f := s.window
	switch {
	case !s.unpinged() || s.blocked || s.ending:
	case s.window.half(&s.loop.host.Config):
		s.send(s.cursorPing())
	case f.unpinged.IsZero():
		f.unpinged = s.loop.Now()
		s.armTimer()
	}
}

// unpinged reports whether a cursor ping may be sent in plain mode: there is a message
// that no earlier ping covers, so a pong alone never causes another ping, and no ping
// is outstanding.
func (s *Session) unpinged() bool {
	f := s.window
	return f != nil && f.fresh && f.ping == 0 && s.mode.Codec().Acknowledged() == codec.ByPong
}

// pingsAtOnce reports whether a cursor ping is written together with the messages. The
// ping of a message that follows a pause costs no write of its own then, and pings of
// many connections are not due at the same moment.
func (s *Session) pingsAtOnce() bool {
	return s.unpinged() && (s.window.half(&s.loop.host.Config) || s.asked == 0 || s.sinceAsked() >= s.loop.host.AckDelay)
}

// cursorPing makes a ping that asks the peer's WebSocket stack to confirm receipt.
// Frames arrive in order, so its pong proves that it has received everything sent
// before the ping.
func (s *Session) cursorPing() []byte {
	f := s.window
	f.fresh, f.unpinged, f.pinged = false, time.Time{}, f.pinged[:0]
	f.asked, f.strays, s.asked = s.loop.Now(), 0, s.askedNow()
	for _, sub := range s.subs {
		if sub.stored {
			f.pinged = append(f.pinged, pinged{sub: sub, seq: sub.announced()})
		}
	}
	frame := s.pingFrame(cursorPing)
	f.ping = uint32(s.pings)
	return frame
}

// askedUnit is the unit of Session.asked, which is small because every session has it.
const askedUnit = 50 * time.Millisecond

// askedNow is the time of this turn as the low bits of units since loop.epoch, never 0.
func (s *Session) askedNow() uint16 {
	return uint16(s.loop.Now().Sub(s.loop.epoch)/askedUnit) | 1
}

// sinceAsked is about the time since the last cursor ping, modulo 54 minutes.
func (s *Session) sinceAsked() time.Duration {
	return time.Duration(s.askedNow()-s.asked) * askedUnit
}

// Pong implements conn.Handler.
func (s *Session) Pong(payload []byte) {
	f := s.window
	if f == nil || f.ping == 0 {
		return
	}
	if len(payload) != 5 || payload[0] != cursorPing && payload[0] != heartbeatPing {
		s.stray()
		return
	}
	if payload[0] != cursorPing || binary.BigEndian.Uint32(payload[1:]) != f.ping {
		return
	}
	for _, p := range f.pinged {
		if p.sub.Owner != nil {
			s.acknowledge(p.sub, p.seq)
		}
	}
	f.ping = 0
	if s.mute.Load() {
		s.mute.Store(false)
	}
	s.dropWindow()
	s.acknowledgeLater()
}

// strayPongs is the number of pongs without a ping's payload after which a client
// counts as one that does not echo it. A single one may be unsolicited (RFC 6455
// §5.5.3).
const strayPongs = 2

// stray counts a pong with another payload while a cursor ping is outstanding. A client
// that never echoes the payload never acknowledges anything.
func (s *Session) stray() {
	f := s.window
	if f.strays++; f.strays == strayPongs {
		s.mute.Store(true)
		s.loop.host.Logger.Warn("the pongs of a client lack the payload of the ping, so nothing is acknowledged",
			"user", s.user.Name(), "connection", s.connection.String(), "agent", s.agent.Value())
	}
}

// echoes reports whether the client may still be one that echoes pings.
func (s *Session) echoes(now time.Time) bool {
	f := s.window
	return f == nil || f.ping == 0 || f.strays < strayPongs || now.Sub(f.asked) < DeadAfter(s.loop.host.Heartbeat)
}

// acknowledge records that the client has everything up to a sequence, but not more
// than was sent, and nothing after a gap that it was not notified of. A plain client
// cannot send read marks, so what it acknowledged counts as read: in the inbox, in All
// and in its memberships.
func (s *Session) acknowledge(sub *subscription, through uint64) {
	through = min(through, sub.announced())
	s.traceAcknowledged(sub, through)
	if n := s.takeOut(sub, through); n > 0 {
		s.loop.host.Counters.Acks.Add(uint64(n))
		s.MarkDirty()
	}
	if !sub.stored {
		return
	}
	if s.user.TryPin() { // the usual case: the function that withState takes would be allocated
		s.storeAcknowledged(sub.Feed.Channel(), through)
		s.user.Unpin()
		return
	}
	s.acknowledgeLoaded(sub.Feed.Channel(), through)
}

// acknowledgeLoaded loads the user's state and stores an acknowledgement there. It is apart
// because what a function captures is allocated where it is declared.
func (s *Session) acknowledgeLoaded(channel string, through uint64) {
	s.withState(func() { s.storeAcknowledged(channel, through) })
}

// storeAcknowledged stores an acknowledgement in the user's state, which is pinned.
func (s *Session) storeAcknowledged(channel string, through uint64) {
	if s.user.Acknowledge(s.device, channel, through) {
		s.loop.host.Users.SaveLater(s.user)
		s.acknowledged(channel, through)
	}
	if s.mode.Codec().Acknowledged() == codec.ByPong {
		s.read(channel, through)
	}
}

// takeOut removes acknowledged messages from the window, and returns their number.
func (s *Session) takeOut(sub *subscription, through uint64) int {
	if s.window == nil {
		return 0
	}
	n := s.window.remove(sub, through)
	s.dropWindow()
	return n
}

// dropWindow frees the memory of an empty window.
func (s *Session) dropWindow() {
	if s.window != nil && s.window.empty() {
		s.loop.freeWindow(s.window)
		s.window = nil
	}
}
