package wirepost

import (
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// CloseInfo describes how a session was closed: the close code (RFC 6455 §7.4, or one
// from 4000 on) and its reason. It is the error of a Conn whose session is closed, and OnMessage,
// OnCall and the function of Handle may return one to close the connection.
type CloseInfo struct {
	Code   int
	Reason string
}

func (e CloseInfo) Error() string { return "wirepost: " + session.CloseInfo(e).Error() }

// check refuses what an application may not close a connection with.
func (e CloseInfo) check() error {
	switch {
	case e.Code != wire.CloseNormal && (e.Code < 3000 || e.Code > 4999):
		return fieldError("code", "%d is neither 1000 nor from 3000 to 4999", e.Code)
	case len(e.Reason) > 123 || !utf8.ValidString(e.Reason):
		return fieldError("reason", "%d bytes, at most 123 bytes of valid UTF-8 are allowed", len(e.Reason))
	}
	return nil
}
