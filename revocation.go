package wirepost

import (
	"context"
	"slices"
	"time"

	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// RevokeTokens has the tokens of a user refused that were issued before a time, and
// closes the connections that were made with them (4401); it returns how many these
// were. It is durable on return. A later time than an earlier call's counts, unless
// that one lies in the future now, because the clock has been wrong. A token tells the
// second of its issue (RFC 7519 §4.1.6), so one that was issued in the second of the
// revocation counts as issued before.
func (s *Server) RevokeTokens(name string, before time.Time) (disconnected int, err error) {
	if err := CheckUser(name); err != nil {
		return 0, err
	}
	latest := s.Now().Add(time.Minute)
	if before.After(latest) {
		return 0, fieldError("before", "%s is yet to come, and what is revoked stays revoked", before.Format(time.RFC3339))
	}
	mark := uint64(max(0, before.UnixMilli()))
	err = s.host.Users.With(context.Background(), name, func(u *user.User) error {
		u.RevokeBefore(mark, uint64(latest.UnixMilli()))
		return s.host.Users.Save(context.Background(), u, true)
	})
	if err != nil {
		return 0, err
	}
	// Who is not registered yet sees the mark.
	old := slices.DeleteFunc(s.host.Of(name), func(ses *session.Session) bool { return !ses.MadeBefore(mark) })
	session.EndAll(old, wire.CloseUnauthorized, "token revoked")
	return len(old), nil
}
