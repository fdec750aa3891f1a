package wirepost

import (
	"slices"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// tokenMark is the channel of the mark that revokes tokens: a read mark like any
// other, stored with the user. What it has read are the milliseconds since 1970
// before which no token counts. No channel has that name.
const tokenMark = ""

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
	err = s.withUser(name, func(u *user) error {
		u.revokeBefore(mark, uint64(latest.UnixMilli()))
		return s.saveNow(u, true)
	})
	if err != nil {
		return 0, err
	}
	// Who is not registered yet sees the mark.
	old := slices.DeleteFunc(s.users.sessionsOf(name), func(ses *session) bool { return !ses.madeBefore(mark) })
	endAll(old, wire.CloseUnauthorized, "token revoked")
	return len(old), nil
}

// revokeBefore moves the mark forward. One that lies in the future, because the clock
// was wrong when it was made, is replaced: it would refuse all tokens until then.
func (u *user) revokeBefore(mark, latest uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(tokenMark)
	if m == nil {
		m = u.addMarkLocked(tokenMark, 0)
	}
	if mark > m.read || m.read > latest {
		m.read, m.dirty = mark, true
	}
}

// madeBefore says whether the session was made with a token that a mark revokes.
func (s *session) madeBefore(mark uint64) bool {
	old := make(chan bool, 1)
	posted := s.loop.post(func() { old <- s.issued.before(mark) })
	return posted && <-old
}

// issued is when a session's token was issued, in seconds since 1970; 0 when there
// is none.
type issued uint32

func issuedAt(id *Identity) issued {
	if id.Issued.IsZero() {
		return 0
	}
	return issued(max(1, id.Issued.Unix()))
}

func (at issued) before(milli uint64) bool { return at != 0 && uint64(at)*1000 < milli }

// checkRevoked refuses an identity whose token was revoked. The state is pinned.
func (u *user) checkRevoked(id *Identity) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if issuedAt(id).before(u.readLocked(tokenMark)) {
		return Errorf(Unauthorized, "this token was revoked")
	}
	return nil
}
