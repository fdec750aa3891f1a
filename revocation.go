package wirepost

import (
	"context"
	"errors"
	"time"

	"github.com/wirepost/wirepost/internal/user"
)

// RevokeTokens revokes the tokens of a user that were issued before a time, closes the
// connections that use them with 4401, and returns how many it closed. The revocation
// is durable on return. The latest time of all calls counts, except a time that is in
// the future now because the clock was wrong. A token holds the second of its issue
// (RFC 7519 §4.1.6), so a token issued in the same second as before is revoked, too. In a
// cluster, every node closes such connections. If one of them does not answer, the error is
// ErrIncomplete: it closes them when it has applied the revocation, but they are not counted.
func (s *Server) RevokeTokens(ctx context.Context, userID string, before time.Time) (disconnected int, err error) {
	if err := checkUser(ctx, userID); err != nil {
		return 0, err
	}
	latest := s.Now().Add(time.Minute)
	if before.After(latest) {
		return 0, fieldError("before", "%s is in the future, and a revocation cannot be undone", before.Format(time.RFC3339))
	}
	mark := uint64(max(0, before.UnixMilli()))
	// Other nodes may close connections as soon as they know of the revocation. So those are
	// counted before.
	q := question{Kind: askOld, User: userID, Before: mark}
	old, incomplete := s.ask(ctx, s.others(), q)
	if incomplete != nil && !errors.Is(incomplete, ErrIncomplete) {
		return 0, incomplete
	}
	err = s.host.Users.With(ctx, userID, func(u *user.User) error {
		u.RevokeBefore(mark, uint64(latest.UnixMilli()))
		return s.host.Users.Save(ctx, u, true)
	})
	if err != nil {
		return 0, err
	}
	// A connection that is registered later sees the mark.
	disconnected = total(old) + s.endRevoked(userID, mark)
	q.Kind = askEndOld
	if _, err := s.ask(ctx, s.others(), q); err != nil {
		incomplete = err
	}
	return disconnected, incomplete
}
