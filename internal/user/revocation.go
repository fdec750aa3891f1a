package user

import (
	"time"

	"github.com/wirepost/wirepost/internal/fault"
)

// tokenMark is the channel name of the mark that revokes tokens. It is stored with the
// user like a read mark; its sequence is a time in milliseconds since 1970, before
// which no token is valid. No channel has this name.
const tokenMark = ""

// RevokeBefore moves the mark forward. A mark in the future, made while the clock was
// wrong, is replaced: it would refuse all tokens until that time.
func (u *User) RevokeBefore(mark, latest uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(tokenMark)
	if m == nil {
		m = u.addMarkLocked(tokenMark, 0)
	}
	if m.read > latest {
		// The store moves a mark only forward, unless it is removed first.
		r := u.removedLocked()
		r.left = append(r.left, tokenMark)
		m.read = 0
	}
	if mark > m.read {
		m.read, m.dirty = mark, true
	}
}

// Issued is the time at which a connection's token was issued, in seconds since 1970; 0
// if the connection has no token.
type Issued uint32

// IssuedAt converts a time of issue; the zero time means that there is no token.
func IssuedAt(t time.Time) Issued {
	if t.IsZero() {
		return 0
	}
	return Issued(max(1, t.Unix()))
}

// Before reports whether a mark, in ms since 1970, revokes the token.
func (at Issued) Before(milli uint64) bool { return at != 0 && uint64(at)*1000 < milli }

// CheckRevoked refuses a token that was revoked. The user's state is pinned.
func (u *User) CheckRevoked(at Issued) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at.Before(u.readLocked(tokenMark)) {
		return fault.Errorf(fault.Unauthorized, "this token was revoked")
	}
	return nil
}
