package session

import (
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/wire"
)

// send writes one frame, such as a response or a notice, bypassing the window. It may be
// in several parts.
func (s *Session) send(frame ...[]byte) {
	if s.ending {
		return
	}
	if s.conn.Unsent() > maxUnsent+s.loop.largestBatch() {
		s.end(wire.CloseTooMuch, "too much output waits to be read")
		return
	}
	if !s.conn.Write(frame...) {
		s.blocked = true
	}
}

// SendFrame sends a frame to a plain client, bypassing the window, once its connection
// is attached. False means that the client is not a plain one.
func (s *Session) SendFrame(f Frame) bool {
	if s.mode != codec.Plain {
		return false
	}
	frame := f.Encode()
	s.do(func() { s.send(frame) })
	return true
}
