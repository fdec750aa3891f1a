package session

import (
	"encoding/binary"
	"time"

	"github.com/wirepost/wirepost/internal/codec"
)

// acknowledgeLater has a cursor ping follow what was just sent in plain mode:
// lazily, so that a stream of messages costs hardly any, but before the window is
// full. Each ping covers a message that no earlier one did, so a pong alone never
// brings another ping. A message of which a part still waits to be sent is not asked
// about: Drained comes back here.
func (s *Session) acknowledgeLater() {
	f := s.window
	switch {
	case s.mode.Codec().Acknowledged() != codec.ByPong || f == nil || !f.fresh || f.ping != 0 || s.blocked || s.ending:
	case s.half():
		s.sendCursorPing()
	case f.unpinged.IsZero():
		f.unpinged = s.loop.Now()
		s.armTimer()
	}
}

// sendCursorPing asks the peer's WebSocket stack how far it came. Frames arrive
// in order, so its pong proves that it has everything sent before the ping.
func (s *Session) sendCursorPing() {
	f := s.window
	f.fresh, f.unpinged, f.pinged = false, time.Time{}, f.pinged[:0]
	f.asked, f.strays = s.loop.Now(), 0
	for _, sub := range s.subs {
		if sub.stored {
			f.pinged = append(f.pinged, pinged{sub: sub, seq: sub.announced()})
		}
	}
	frame := s.pingFrame(cursorPing)
	f.ping = uint32(s.pings)
	s.send(frame)
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

// strayPongs is after how many pongs without a ping's payload a client counts as one
// that does not echo it. One may be unasked for (RFC 6455 §5.5.3).
const strayPongs = 2

// stray notes a pong with a payload of the client's own, while a cursor ping waits for
// its one. A client that answers every ping so never acknowledges anything.
func (s *Session) stray() {
	f := s.window
	if f.strays++; f.strays == strayPongs {
		s.mute.Store(true)
		s.loop.host.Logger.Warn("a client answers pings without their payload, so nothing is acknowledged",
			"user", s.user.Name(), "connection", s.connection.String(), "agent", s.agent.Value())
	}
}

// echoes says whether the client can still be taken for one that echoes pings.
func (s *Session) echoes(now time.Time) bool {
	f := s.window
	return f == nil || f.ping == 0 || f.strays < strayPongs || now.Sub(f.asked) < DeadAfter(s.loop.host.Heartbeat)
}

// acknowledge takes it that the client has everything up to a sequence, but never
// more than was sent, and nothing after a gap that it was not notified of. A plain client
// can send nothing else, so what it acknowledged counts as read: in the inbox, in All
// and in its memberships.
func (s *Session) acknowledge(sub *subscription, through uint64) {
	through = min(through, sub.announced())
	if n := s.takeOut(sub, through); n > 0 {
		s.loop.host.Counters.Acks.Add(uint64(n))
		s.MarkDirty()
	}
	if !sub.stored {
		return
	}
	channel := sub.Feed.Channel()
	read := s.mode.Codec().Acknowledged() == codec.ByPong
	s.withState(func() {
		moved := s.user.Acknowledge(s.device, channel, through)
		if moved {
			s.loop.host.Users.SaveLater(s.user)
			s.acknowledged(channel, through)
		}
		if read {
			s.read(channel, through)
		}
	})
}
