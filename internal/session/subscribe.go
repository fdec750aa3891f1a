package session

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/presence"
	"github.com/wirepost/wirepost/internal/wire"
)

// onSubscribe replies with the state of the channel before its messages are sent.
func (s *Session) onSubscribe(c *wire.Command) {
	if err := names.CheckChannel(c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	if err := s.maySubscribe(c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	if c.Presence != nil && *c.Presence {
		if err := s.loop.host.Policies.CheckPresence(c.Channel); err != nil {
			s.refuse(c.Ref, err)
			return
		}
	}
	ref, channel, after, presence := c.Ref, c.Channel, c.After, c.Presence
	ask, byToken := s.question(channel), s.tokenGrants(channel)
	ctx, atLeast := s.loop.host.Base, uint64(0)
	if after != nil {
		atLeast = *after
	}
	if atLeast > 0 && s.loop.host.Current != nil {
		ctx = s.theWork().context(s) // what it waits for may not come
	}
	s.pinnedJob(func() (onLoop, otherwise func()) {
		if err := ask(); err != nil {
			s.reply(ref, nil, err)
			return nil, nil
		}
		sub, bounds, err := s.newSubscription(ctx, channel, byToken, atLeast)
		if err != nil {
			s.reply(ref, nil, err)
			return nil, nil
		}
		return func() { s.subscribed(ref, sub, after, presence, bounds) }, func() { s.loop.host.Feeds.Release(sub.Feed) }
	})
}

// maySubscribe checks whether the client may subscribe to a channel. A member may, whatever
// the token and the policy say: it is what every session of the user begins with.
func (s *Session) maySubscribe(channel string) error {
	if sub := s.subscription(channel); sub != nil && sub.granted || s.hasUnsubscribed(channel) {
		return nil
	}
	return s.loop.host.Policies.MaySubscribe(s.identity.Load(), channel)
}

// newSubscription makes a subscription: a member, by a stored membership or by the
// token, continues at the device's cursor; any other subscription begins at the head.
// The node is to have applied the channel up to atLeast, see Host.CatchUp. It runs in a
// job, with the user's state pinned.
func (s *Session) newSubscription(ctx context.Context, channel string, byToken bool, atLeast uint64) (*subscription, engine.Bounds, error) {
	f, err := s.loop.host.Feeds.Subscribe(channel)
	if err != nil {
		return nil, engine.Bounds{}, err
	}
	sub := &subscription{Subscription: feed.Subscription{Feed: f, Owner: s}, cursor: f.Head()}
	if byToken || s.user.IsMember(channel) {
		sub.granted, sub.stored = true, !f.MemoryOnly()
		if sub.stored {
			if err := s.loop.host.Users.CatchUpToStart(s.loop.host.Base, s.user, s.device, channel); err != nil {
				s.loop.host.Feeds.Release(f)
				return nil, engine.Bounds{}, err
			}
		}
		sub.cursor = s.start(f)
		s.loop.host.Users.SaveLater(s.user)
	}
	var bounds engine.Bounds
	err = s.loop.host.CatchUp(ctx, time.Now().Add(Patience), f, atLeast)
	if err == nil {
		bounds, err = f.Log().Bounds(s.loop.host.Base, channel)
	}
	sub.cursor = min(sub.cursor, max(bounds.Head, f.Head()))
	if err != nil {
		s.loop.host.Feeds.Release(f)
	}
	return sub, bounds, err
}

// subscribed adds the subscription that a client requested, or continues the existing
// one. Presence begins or ends the notices about the channel's users. On the loop, with
// the user's state pinned.
func (s *Session) subscribed(ref json.RawMessage, fresh *subscription, after *uint64, presence *bool, bounds engine.Bounds) {
	channel, head := fresh.Feed.Channel(), max(bounds.Head, fresh.Feed.Head())
	sub, err := s.adopt(fresh)
	if err != nil {
		s.refuse(ref, err)
		return
	}
	sub.requested = true
	s.forgetUnsubscribed(channel)
	if after != nil {
		s.takeOut(sub, sub.cursor)
		sub.notices = nil
		sub.cursor = min(*after, head)
	}
	resumed := sub.resumes(bounds)
	ok := wire.OK{Type: "ok", Ref: ref, Seq: &head, Oldest: &bounds.Oldest, Resumed: &resumed}
	if presence != nil && !*presence {
		s.unwatch(channel)
	}
	if presence != nil && *presence {
		s.send(s.watch(channel).In(wire.Encode(ok))...)
	} else {
		s.send(s.notice(ok))
	}
	s.MarkDirty()
	s.reconcile() // a membership may have begun or ended since the job checked
}

// adopt adds a new subscription to those of the session, and returns it; or it returns the one
// that the session has of the channel. On the loop.
func (s *Session) adopt(fresh *subscription) (*subscription, error) {
	channel, most := fresh.Feed.Channel(), s.loop.host.MaxSubscriptions
	sub := s.subscription(channel)
	// A new token may have been applied since the command arrived.
	err := s.maySubscribe(channel)
	if err == nil && sub == nil && len(s.subs) >= most {
		err = fault.Errorf(fault.RateLimited, "a session has at most %d subscriptions", most)
	}
	if err != nil || sub != nil {
		s.discard(fresh)
		return sub, err
	}
	s.addSubscription(fresh)
	return fresh, nil
}

// discard gives up a new subscription that the session does not add. On the loop.
func (s *Session) discard(fresh *subscription) {
	s.Job(func() { s.loop.host.Feeds.Release(fresh.Feed) })
}

func (s *Session) addSubscription(sub *subscription) {
	s.subs = append(s.subs, sub)
	s.follow(sub)
}

// onUnsubscribe ends a subscription of this session, but not a membership.
func (s *Session) onUnsubscribe(c *wire.Command) {
	sub := s.subscription(c.Channel)
	switch {
	case sub == nil:
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "no subscription to %q", c.Channel))
	case c.Channel == names.All || c.Channel == s.user.Inbox():
		s.refuse(c.Ref, fault.Errorf(fault.BadRequest, "every session is subscribed to %q", c.Channel))
	default:
		if sub.granted {
			s.rememberUnsubscribed(c.Channel)
		}
		s.drop(sub)
		s.send(s.notice(wire.OK{Type: "ok", Ref: c.Ref}))
	}
}

// drop ends a subscription. On the loop.
func (s *Session) drop(sub *subscription) {
	s.takeOut(sub, sub.cursor)
	s.unfollow(sub, presence.Left)
	sub.Feed.Left()
	sub.Owner = nil
	s.subs = slices.DeleteFunc(s.subs, func(other *subscription) bool { return other == sub })
	s.Job(func() { s.loop.host.Feeds.Unref(sub.Feed) })
	s.MarkDirty()
}

// settle updates the subscriptions to the user's current rights: after a new token, and
// when a membership begins or ends. On the loop.
func (s *Session) settle() {
	if s.user.TryPin() {
		s.reconcile()
		s.user.Unpin()
		return
	}
	s.pinnedJob(func() (onLoop, otherwise func()) { return s.reconcile, func() {} })
}

// reconcile makes the subscriptions equal to those of a new connection with the same
// token and the same requested channels, but for the memberships that the client has
// unsubscribed. On the loop, with the user's state pinned: a change of memberships updates
// the state first and then calls settle of every session, so the last call sees all
// changes.
func (s *Session) reconcile() {
	granted := s.grantedChannels()
	s.withoutUnsubscribed(granted)
	for _, sub := range slices.Clone(s.subs) {
		channel := sub.Feed.Channel()
		switch {
		case granted[channel]:
			if sub.granted {
				delete(granted, channel)
			}
		case sub.requested && s.mayKeep(channel):
			s.ungrant(sub)
		default:
			s.drop(sub)
			s.notifyMembership("unsubscribed", channel)
		}
	}
	for channel := range granted {
		s.grant(channel)
	}
}

// ungrant turns the subscription of a member into one without a stored cursor. In plain
// mode its messages can no longer be acknowledged, so they leave the window.
func (s *Session) ungrant(sub *subscription) {
	if s.mode.Codec().Acknowledged() == codec.ByPong && sub.stored {
		s.takeOut(sub, sub.cursor)
	}
	sub.granted, sub.stored = false, false
}

// grantedChannels lists the subscriptions of every session of the user: the inbox,
// names.All, the stored memberships and those of the token.
func (s *Session) grantedChannels() map[string]bool {
	granted := map[string]bool{s.user.Inbox(): true, names.All: true}
	for _, channel := range s.user.Memberships() {
		granted[channel] = true
	}
	if id := s.identity.Load(); id != nil {
		for _, channel := range id.Channels {
			granted[channel] = true
		}
	}
	return granted
}

// mayKeep reports whether the client may keep a requested channel. A plain client
// without an identity has that of its connect request, which allowed it.
func (s *Session) mayKeep(channel string) bool {
	id := s.identity.Load()
	return id == nil || s.loop.host.Policies.MaySubscribe(id, channel) == nil
}

// grant subscribes the session to a membership that began while it was connected. On
// the loop.
func (s *Session) grant(channel string) {
	s.pinnedJob(func() (onLoop, otherwise func()) {
		sub, _, err := s.newSubscription(s.loop.host.Base, channel, true, 0)
		if err != nil {
			s.failed("subscribing a member", err)
			return nil, nil
		}
		return func() { s.granted(sub) }, func() { s.loop.host.Feeds.Release(sub.Feed) }
	})
}

// granted adds the subscription, or makes the client's existing one stored, unless a
// stored one exists or the membership has ended. On the loop, with the user's state
// pinned.
func (s *Session) granted(fresh *subscription) {
	channel := fresh.Feed.Channel()
	sub := s.subscription(channel)
	if sub != nil && sub.granted || s.hasUnsubscribed(channel) || !s.tokenGrants(channel) && !s.user.IsMember(channel) {
		s.discard(fresh)
		return
	}
	if sub != nil {
		sub.granted, sub.stored = true, fresh.stored
		s.discard(fresh)
	} else {
		s.addSubscription(fresh)
	}
	s.notifyMembership("subscribed", channel)
	s.MarkDirty()
}

func (s *Session) notifyMembership(what, channel string) {
	if s.mode.Codec().Objects() {
		s.send(s.notice(wire.Membership{Type: what, Channel: channel}))
	}
}

// start returns the position at which the subscription of a member begins. The cursor
// may be ahead of the feed, see feed.Clamp.
func (s *Session) start(f *feed.Feed) uint64 {
	if f.MemoryOnly() {
		return f.Head()
	}
	return s.user.Start(s.device, f.Channel(), f.Head())
}
