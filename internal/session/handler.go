package session

import (
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// Attach starts the session on its loop, and sends its hello, if any.
func (s *Session) Attach(c conn.Conn, hello []byte) {
	s.conn = c
	if hello != nil {
		s.send(s.mode.Codec().Notice(hello))
	}
	for _, sub := range s.subs {
		s.follow(sub)
	}
	s.armTimer()
	s.MarkDirty()
	if r := s.reception(); r != nil {
		ctx := s.work.context(s)
		s.Job(func() { r.Attached(ctx, s) })
	}
	if s.work != nil {
		early := s.work.early
		s.work.early = nil
		for _, fn := range early {
			s.doNow(fn)
		}
	}
}

// Drained implements conn.Handler.
func (s *Session) Drained() {
	s.blocked = false
	s.releasePage()
	if r := s.reception(); r != nil {
		r.writeWaiting(s)
	}
	s.MarkDirty()
	s.renewWatches()
	s.throttle()
	s.acknowledgeLater()
	if f := s.window; f != nil && !f.unpinged.IsZero() {
		s.armTimer()
	}
}

// Message implements conn.Handler.
func (s *Session) Message(binary bool, payload []byte) {
	switch {
	case s.ending || !s.allows(len(payload)):
	case s.mode == codec.V1 && binary:
		s.end(wire.CloseUnsupported, "wirepost.v1 has no binary frames")
	case s.mode == codec.V1:
		s.command(payload)
	default:
		s.plainMessage(binary, payload)
	}
	s.throttle()
}

// Ping implements conn.Handler.
func (s *Session) Ping(payload []byte) {
	if !s.ending {
		s.allows(len(payload))
	}
}

// Expired does the work that is due. It is called by the session's timer, on the loop.
func (s *Session) Expired() {
	if s.ending {
		return
	}
	now := s.loop.Now()
	if s.expires != 0 && s.lifetime() <= 0 {
		s.end(wire.CloseUnauthorized, "token expired")
		return
	}
	if s.work != nil && s.work.refreshAt != 0 && s.until(s.work.refreshAt) <= 0 {
		s.askIdentity()
	}
	if f := s.window; f != nil && !f.unpinged.IsZero() && !s.blocked && now.Sub(f.unpinged) >= s.loop.host.AckDelay {
		s.send(s.cursorPing())
	}
	if !s.echoes(now) {
		s.end(wire.CloseProtocolError, "pongs without the payload of the ping")
		return
	}
	if s.heartbeat(now) {
		s.armTimer()
	}
}
