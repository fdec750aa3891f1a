package wirepost

import (
	"context"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
)

// Join makes a user a member of a channel: every session of the user is
// subscribed, and what is pushed while the user is away waits. The membership is
// durable on return. To join again changes nothing.
func (s *Server) Join(name, channel string) error {
	if err := checkMembership(name, channel); err != nil {
		return err
	}
	return s.host.Users.With(context.Background(), name, func(u *user.User) error { return s.join(context.Background(), u, channel) })
}

func (s *Server) join(ctx context.Context, u *user.User, channel string) error {
	if err := s.host.Users.MakeKnown(ctx, u); err != nil {
		return err
	}
	bounds, err := s.host.Feeds.LogOf(channel).Bounds(ctx, channel)
	if err != nil {
		return err
	}
	if u.Join(channel, bounds.Head) {
		session.Settle(u)
	}
	// Also when nothing changed: the earlier call may have failed to save it.
	return s.host.Users.Save(ctx, u, true)
}

// Leave ends a membership: CodeNotFound when there is none. It is durable on return.
func (s *Server) Leave(name, channel string) error {
	if err := checkMembership(name, channel); err != nil {
		return err
	}
	return s.host.Users.With(context.Background(), name, func(u *user.User) error {
		if !u.Leave(channel) {
			return Errorf(CodeNotFound, "user %q is no member of %q", name, channel)
		}
		session.Settle(u)
		return s.host.Users.Save(context.Background(), u, true)
	})
}

func checkMembership(name, channel string) error {
	if err := CheckUser(name); err != nil {
		return err
	}
	if err := CheckChannel(channel); err != nil {
		return err
	}
	if _, inbox := names.InboxUser(channel); inbox || channel == All {
		return fieldError("channel", "memberships of inboxes and of %q are given", All)
	}
	return nil
}
