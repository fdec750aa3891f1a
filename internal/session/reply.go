package session

import (
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/wire"
)

// refuse sends an error frame. On the loop.
func (s *Session) refuse(ref json.RawMessage, err error) {
	s.logFailure(err)
	e := fault.As(err)
	code := e.Code
	if code == fault.Unauthorized {
		code = fault.Forbidden
	}
	message := e.Message
	if e.Field != "" {
		message = e.Field + ": " + message
	}
	if code == fault.Forbidden {
		s.logRefusal(message)
	}
	s.send(s.notice(wire.Error{Type: "error", Ref: ref, Code: string(code), Message: message}))
}

// logRefusal logs a command that the client may not give, as refused connect requests are
// logged.
func (s *Session) logRefusal(message string) {
	h := s.loop.host
	level := slog.LevelDebug
	if h.LogRefusals {
		level = slog.LevelInfo
	}
	if h.Logger.Enabled(h.Base, level) {
		h.Logger.Log(h.Base, level, "refused a command", "user", s.user.Name(), "connection", s.connection.String(), "detail", message)
	}
}

// logFailure logs an error whose details the client does not get, unless it is logged
// already.
func (s *Session) logFailure(err error) {
	if _, logged := errors.AsType[*callback.Panic](err); logged {
		return
	}
	var coded *fault.Error
	if !errors.As(err, &coded) || coded.Code == fault.Internal {
		s.loop.host.Logger.Error("command failed", "user", s.user.Name(), "connection", s.connection.String(), "error", err)
	}
}

// reply sends an object, or the error, from a job.
func (s *Session) reply(ref json.RawMessage, object any, err error) {
	s.do(func() {
		switch {
		case s.closedBy(err):
		case err != nil:
			s.refuse(ref, err)
		default:
			s.send(s.notice(object))
		}
	})
}

// closedBy closes the connection if err is a CloseInfo, with which a callback asks for
// that. On the loop.
func (s *Session) closedBy(err error) bool {
	e, ok := err.(CloseInfo) //nolint:errorlint // only one that Hooks returned, and that is not wrapped
	if ok {
		s.end(e.Code, e.Reason)
	}
	return ok
}

// failed closes the session because the store failed. Off the loop.
func (s *Session) failed(doing string, err error) {
	if s.loop.host.Base.Err() == nil {
		s.loop.host.Logger.Error(doing, "user", s.user.Name(), "error", err)
	}
	s.do(func() { s.end(wire.CloseInternal, "the store cannot be read") })
}
