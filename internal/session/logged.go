package session

import (
	"slices"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// Logged makes the users follow the updates that the store of a cluster has applied, and
// notifies their sessions of what other nodes changed. Own says that this node saved the
// updates. It does not wait for sessions or the store.
func (h *Host) Logged(updates []engine.Update, own bool) {
	for i := range updates {
		if u, change := h.Users.Logged(&updates[i], own); u != nil {
			h.changed(u, change)
		}
	}
}

func (h *Host) changed(u *user.User, change user.Logged) {
	if change.Memberships {
		Settle(u)
	}
	if len(change.Read) > 0 && anyWithObjects(In(u.Conns())) {
		name := u.Name()
		h.Pages.Go(func() {
			err := h.Users.With(h.Base, name, func(u *user.User) error {
				for _, channel := range change.Read {
					h.NotifyRead(h.Base, u, channel)
				}
				return nil
			})
			if err != nil && h.Base.Err() == nil {
				h.Logger.Error("a user cannot be loaded", "user", name, "error", err)
			}
		})
	}
	if change.Revoked > 0 {
		// A connection that is registered later sees the mark.
		sessions := In(u.Conns())
		h.Pages.Go(func() { EndRevoked(sessions, change.Revoked) })
	}
}

// OldSessions are the sessions that were made with a token that a mark, in ms since 1970,
// revokes. It queries the loops.
func OldSessions(all []*Session, mark uint64) []*Session {
	return slices.DeleteFunc(all, func(s *Session) bool { return !s.madeBefore(mark) })
}

// EndRevoked closes the sessions that were made with a token that a mark revokes, and
// returns their number.
func EndRevoked(all []*Session, mark uint64) int {
	old := OldSessions(all, mark)
	EndAll(old, wire.CloseUnauthorized, "token revoked")
	return len(old)
}
