package session

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/wire"
	"github.com/wirepost/wirepost/internal/ws"
)

// A ping's payload is its kind and a number. Only a pong with the payload of the
// outstanding cursor ping acknowledges anything.
const (
	cursorPing    = 'c'
	heartbeatPing = 'h'
)

// pingFrame makes the next ping.
func (s *Session) pingFrame(kind byte) []byte {
	if s.pings++; s.pings == 0 {
		s.pings = 1
	}
	return ws.AppendFrame(nil, ws.OpPing, binary.BigEndian.AppendUint32([]byte{kind}, uint32(s.pings)))
}

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
	s.dropFlight()
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
// more than was sent, and nothing after a gap that it was not told of. A plain client
// can send nothing else, so what it acknowledged counts as read: in the inbox, in All
// and in its memberships.
func (s *Session) acknowledge(sub *subscription, through uint64) {
	through = min(through, sub.announced())
	if n := s.landed(sub, through); n > 0 {
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

// withState runs fn with the user's state pinned: at once, or as a job if it has
// to be loaded. On the loop.
func (s *Session) withState(fn func()) {
	if s.user.TryPin() {
		fn()
		s.user.Unpin()
		return
	}
	s.Job(func() {
		if err := s.loop.host.Users.Pinned(context.Background(), s.user, fn); err != nil {
			s.loop.host.Logger.Error("loading a user", "user", s.user.Name(), "error", err)
			s.do(func() { s.end(wire.CloseInternal, "the store cannot be read") })
		}
	})
}

// read moves the user's read mark and tells the user's sessions, if it moved. The
// state is pinned.
func (s *Session) read(channel string, seq uint64) {
	if s.user.AdvanceRead(channel, seq) {
		s.loop.host.Users.SaveLater(s.user)
		s.loop.host.notifyReadLater(s.user, channel)
		if s.loop.host.Hooks.Read != nil {
			s.laterJob(func() { s.loop.host.readMoved(s.lastingContext(), s.user.Name(), channel, seq) })
		}
	}
}

// acknowledged calls the application's callback.
func (s *Session) acknowledged(channel string, seq uint64) {
	h := s.loop.host
	if h.Hooks.Acknowledged == nil {
		return
	}
	s.laterJob(func() {
		callback.Guard(h.Logger, "OnAck", func() { //nolint:errcheck // it is logged
			h.Hooks.Acknowledged(s.lastingContext(), s.Info(), channel, seq)
		})
	})
}

// laterJob is Job from wherever it is called, also when the session's end has begun.
func (s *Session) laterJob(fn func()) { s.loop.Do(func() { s.Job(fn) }) }

// armTimer sets the session's one timer to whatever is due next.
func (s *Session) armTimer() {
	if s.ending {
		return
	}
	now := s.loop.Now()
	due := s.nextBeat()
	if f := s.window; f != nil && !f.unpinged.IsZero() && !s.blocked {
		due = earlier(due, f.unpinged.Add(s.loop.host.AckDelay))
	}
	if s.expires != 0 {
		due = earlier(due, now.Add(s.lifetime()))
	}
	s.loop.Arm(&s.timer, due.Sub(now))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Expired does what is due. It is called by the session's timer, on the loop.
func (s *Session) Expired() {
	if s.ending {
		return
	}
	now := s.loop.Now()
	if s.expires != 0 && s.lifetime() <= 0 {
		s.end(wire.CloseUnauthorized, "token expired")
		return
	}
	if f := s.window; f != nil && !f.unpinged.IsZero() && !s.blocked && now.Sub(f.unpinged) >= s.loop.host.AckDelay {
		s.sendCursorPing()
	}
	if !s.echoes(now) {
		s.end(wire.CloseProtocolError, "pongs without the payload of the ping")
		return
	}
	if s.heartbeat(now) {
		s.armTimer()
	}
}

// lifetime is how long the identity of the session still counts, if it expires.
func (s *Session) lifetime() time.Duration {
	return time.UnixMilli(s.expires).Sub(s.loop.host.Clock.Wall())
}
