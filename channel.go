package wirepost

import (
	"context"

	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
)

// Join makes a user a member of a channel: every session of the user is subscribed,
// and messages pushed while the user is offline are delivered later. The membership is
// durable on return. Joining again changes nothing.
func (s *Server) Join(ctx context.Context, userID, channel string) error {
	if err := checkMembership(ctx, userID, channel); err != nil {
		return err
	}
	return s.host.Users.With(ctx, userID, func(u *user.User) error { return s.join(ctx, u, channel) })
}

func (s *Server) join(ctx context.Context, u *user.User, channel string) error {
	// A member that joins again keeps the read mark. So this node must know of a membership
	// that began on another one.
	if err := s.host.Users.CatchUp(ctx, u.Name()); err != nil {
		return err
	}
	if err := s.host.Users.MakeKnown(ctx, u); err != nil {
		return err
	}
	if err := s.catchUp(ctx, channel); err != nil {
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

// Leave ends a membership. The error is ErrNotFound if the user is not a member. The
// change is durable on return.
func (s *Server) Leave(ctx context.Context, userID, channel string) error {
	if err := checkMembership(ctx, userID, channel); err != nil {
		return err
	}
	return s.host.Users.With(ctx, userID, func(u *user.User) error {
		if err := s.host.Users.CatchUp(ctx, u.Name()); err != nil {
			return err
		}
		if !u.Leave(channel) {
			return Errorf(CodeNotFound, "user %q is not a member of %q", userID, channel)
		}
		session.Settle(u)
		return s.host.Users.Save(ctx, u, true)
	})
}

func checkMembership(ctx context.Context, userID, channel string) error {
	if err := checkUser(ctx, userID); err != nil {
		return err
	}
	if err := CheckChannel(channel); err != nil {
		return err
	}
	if _, inbox := names.InboxUser(channel); inbox || channel == All {
		return fieldError("channel", "it cannot be joined or left: every user is a member of %q and of the own inbox", All)
	}
	return nil
}

// Channel describes a channel. One that was never written to is empty.
func (s *Server) Channel(ctx context.Context, name string) (ChannelInfo, error) {
	if err := checkChannel(ctx, name); err != nil {
		return ChannelInfo{}, err
	}
	p := s.host.Policies.Of(name)
	bounds, err := s.host.Feeds.LogOf(name).Bounds(ctx, name)
	if err != nil {
		return ChannelInfo{}, err
	}
	info := ChannelInfo{
		Channel: name, Head: bounds.Head, Oldest: bounds.Oldest,
		Subscribers: s.host.Feeds.Connections(name) + s.elsewhere(name),
		Policy: Policy{
			Pattern: p.Pattern, NonDurable: p.NonDurable, MaxAge: p.MaxAge,
			MaxMessages: p.MaxMessages, Subscribe: Access(p.Subscribe), Publish: Access(p.Publish), Presence: s.host.Policies.HasPresence(name),
		},
	}
	if p.Escalation != nil {
		info.Policy.Escalate, info.Policy.Until = p.Escalation.Steps, p.Escalation.Until
	}
	return info, nil
}
