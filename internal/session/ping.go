package session

import (
	"encoding/binary"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// A ping's payload is its kind and a number. Only a pong with the payload of the
// outstanding cursor ping acknowledges messages.
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

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
