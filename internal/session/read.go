package session

import (
	"context"

	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// NotifyRead notifies a user's sessions of the read mark. The user's state is pinned.
func (h *Host) NotifyRead(ctx context.Context, u *user.User, channel string) {
	sessions := In(u.Conns())
	if !anyWithObjects(sessions) {
		return
	}
	head, read, unread, err := h.Users.UnreadAt(ctx, u, channel)
	if err != nil && ctx.Err() != nil {
		return
	}
	if err != nil {
		h.Logger.Error("unread messages cannot be counted", "channel", channel, "error", err)
		return
	}
	for _, s := range sessions {
		if s.mode.Codec().Objects() {
			s.do(func() { s.setState(channel, head, read, unread) })
		}
	}
}

// notifyReadLater is NotifyRead without waiting for the store.
func (h *Host) notifyReadLater(u *user.User, channel string) {
	if !anyWithObjects(In(u.Conns())) {
		return
	}
	h.Users.Retain(u)
	h.Pages.Go(func() {
		defer h.Users.Release(u)
		h.NotifyRead(h.Base, u, channel)
	})
}

func anyWithObjects(sessions []*Session) bool {
	for _, s := range sessions {
		if s.mode.Codec().Objects() {
			return true
		}
	}
	return false
}

// setState schedules a notice of the user's read mark. Only the newest is sent, however
// slowly the client reads. On the loop.
func (s *Session) setState(channel string, head, read uint64, unread int) {
	sub := s.subscription(channel)
	if sub == nil || sub.notices != nil && read < sub.notices.read {
		return
	}
	n := sub.pending()
	n.read = read
	n.state = &wire.State{Type: "state", Channel: channel, Seq: head, Read: read, Unread: unread}
	s.MarkDirty()
}
