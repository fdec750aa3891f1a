package user

import (
	"time"

	"github.com/wirepost/wirepost/internal/fault"
)

// tokenMark is the channel of the mark that revokes tokens: a read mark like any
// other, stored with the user. What it has read are the milliseconds since 1970
// before which no token counts. No channel has that name.
const tokenMark = ""

// RevokeBefore moves the mark forward. One that lies in the future, because the clock
// was wrong when it was made, is replaced: it would refuse all tokens until then.
func (u *User) RevokeBefore(mark, latest uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(tokenMark)
	if m == nil {
		m = u.addMarkLocked(tokenMark, 0)
	}
	if m.read > latest {
		// The store only moves a mark forward, unless it is removed.
		r := u.removedLocked()
		r.left = append(r.left, tokenMark)
		m.read = 0
	}
	if mark > m.read {
		m.read, m.dirty = mark, true
	}
}

// Issued is when a connection's token was issued, in seconds since 1970; 0 when there
// is none.
type Issued uint32

// IssuedAt is a time of issue; the zero time stands for none.
func IssuedAt(t time.Time) Issued {
	if t.IsZero() {
		return 0
	}
	return Issued(max(1, t.Unix()))
}

// Before says whether a mark, in ms since 1970, revokes the token.
func (at Issued) Before(milli uint64) bool { return at != 0 && uint64(at)*1000 < milli }

// CheckRevoked refuses a token that was revoked. The state is pinned.
func (u *User) CheckRevoked(at Issued) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at.Before(u.readLocked(tokenMark)) {
		return fault.Errorf(fault.Unauthorized, "this token was revoked")
	}
	return nil
}
