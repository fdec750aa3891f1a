package session

import (
	"encoding/json"
	"slices"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/wire"
)

// onSubscribe answers with the state of the channel first; its messages follow.
func (s *Session) onSubscribe(c *wire.Command) {
	if err := names.CheckChannel(c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	if err := s.loop.host.Policies.MaySubscribe(s.identity.Load(), c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	ref, channel, after := c.Ref, c.Channel, c.After
	ask, byToken := s.question(channel), s.tokenGrants(channel)
	s.pinnedJob(func() (onLoop, otherwise func()) {
		if err := ask(); err != nil {
			s.answer(ref, nil, err)
			return nil, nil
		}
		sub, bounds, err := s.newSubscription(channel, byToken)
		if err != nil {
			s.answer(ref, nil, err)
			return nil, nil
		}
		return func() { s.subscribed(ref, sub, after, bounds) }, func() { s.loop.host.Feeds.Release(sub.Feed) }
	})
}

// pinnedJob runs a job with the user's state pinned, and then on the loop what the
// job returns, with the state still pinned: what is decided there goes by the
// memberships of that moment. If the session has ended, otherwise runs off the loop.
func (s *Session) pinnedJob(job func() (onLoop, otherwise func())) {
	s.Job(func() {
		if err := s.loop.host.Users.Pin(s.loop.host.Base, s.user); err != nil {
			s.failed("loading a user", err)
			return
		}
		onLoop, otherwise := job()
		if onLoop == nil {
			s.user.Unpin()
			return
		}
		s.orElse(func() {
			onLoop()
			s.user.Unpin()
		}, func() {
			otherwise()
			s.user.Unpin()
		})
	})
}

// newSubscription makes a subscription: one of a member, by a stored membership or
// by the token, goes on at the device's cursor; any other begins at the head. It is
// part of a job, and the user's state is pinned.
func (s *Session) newSubscription(channel string, byToken bool) (*subscription, engine.Bounds, error) {
	f, err := s.loop.host.Feeds.Subscribe(channel)
	if err != nil {
		return nil, engine.Bounds{}, err
	}
	sub := &subscription{Subscription: feed.Subscription{Feed: f, Owner: s}, cursor: f.Head()}
	if byToken || s.user.IsMember(channel) {
		sub.granted, sub.stored = true, !f.MemoryOnly()
		sub.cursor = s.start(f)
		s.loop.host.Users.SaveLater(s.user)
	}
	bounds, err := f.Log().Bounds(s.loop.host.Base, channel)
	sub.cursor = min(sub.cursor, max(bounds.Head, f.Head()))
	if err != nil {
		s.loop.host.Feeds.Release(f)
	}
	return sub, bounds, err
}

// orElse does fn on the loop, or otherwise, off the loop, if the session has ended.
func (s *Session) orElse(fn, otherwise func()) {
	posted := s.loop.Do(func() {
		if s.ending {
			s.Job(otherwise)
			return
		}
		fn()
	})
	if !posted {
		otherwise()
	}
}

// subscribed takes in the subscription that a client asked for, or goes on with
// the one that it has. On the loop, with the user's state pinned.
func (s *Session) subscribed(ref json.RawMessage, fresh *subscription, after *uint64, bounds engine.Bounds) {
	sub, head := s.subscription(fresh.Feed.Channel()), max(bounds.Head, fresh.Feed.Head())
	// A new token may have been taken since the command came.
	refused := s.loop.host.Policies.MaySubscribe(s.identity.Load(), fresh.Feed.Channel())
	switch {
	case refused != nil:
		s.Job(func() { s.loop.host.Feeds.Release(fresh.Feed) })
		s.refuse(ref, refused)
		return
	case sub != nil:
		s.Job(func() { s.loop.host.Feeds.Release(fresh.Feed) })
		if after != nil {
			s.takeOut(sub, sub.cursor)
			sub.notices = nil
		}
	case len(s.subs) >= s.loop.host.MaxSubscriptions:
		s.Job(func() { s.loop.host.Feeds.Release(fresh.Feed) })
		s.refuse(ref, fault.Errorf(fault.RateLimited, "a session has at most %d subscriptions", s.loop.host.MaxSubscriptions))
		return
	default:
		sub = fresh
		s.addSubscription(sub)
	}
	sub.requested = true
	if after != nil {
		sub.cursor = min(*after, head)
	}
	resumed := sub.resumes(bounds, s.loop.host.MemoryBase)
	s.send(s.notice(wire.OK{Type: "ok", Ref: ref, Seq: &head, Oldest: &bounds.Oldest, Resumed: &resumed}))
	s.MarkDirty()
	s.reconcile() // a membership may have begun or ended since the job looked
}

func (s *Session) addSubscription(sub *subscription) {
	s.subs = append(s.subs, sub)
	sub.Feed.Follow(&sub.Subscription, s.loop.waker)
}

func (s *Session) onUnsubscribe(c *wire.Command) {
	sub := s.subscription(c.Channel)
	switch {
	case sub == nil:
		s.refuse(c.Ref, fault.Errorf(fault.NotFound, "no subscription to %q", c.Channel))
	case c.Channel == names.All || c.Channel == s.user.Inbox():
		s.refuse(c.Ref, fault.Errorf(fault.BadRequest, "every session is subscribed to %q", c.Channel))
	default:
		s.drop(sub)
		s.send(s.notice(wire.OK{Type: "ok", Ref: c.Ref}))
	}
}

// drop ends a subscription. On the loop.
func (s *Session) drop(sub *subscription) {
	s.takeOut(sub, sub.cursor)
	sub.Feed.Unfollow(&sub.Subscription, s.loop.waker)
	sub.Feed.Left()
	sub.Owner = nil
	s.subs = slices.DeleteFunc(s.subs, func(other *subscription) bool { return other == sub })
	s.Job(func() { s.loop.host.Feeds.Unref(sub.Feed) })
	s.MarkDirty()
}

// settle brings the subscriptions in line with what the user may have now: after a
// new token, and when a membership began or ended. On the loop.
func (s *Session) settle() {
	if s.user.TryPin() {
		s.reconcile()
		s.user.Unpin()
		return
	}
	s.pinnedJob(func() (onLoop, otherwise func()) { return s.reconcile, func() {} })
}

// reconcile makes the subscriptions those that a new connection would get with the
// same token and the same requested channels. On the loop, with the user's state
// pinned: whoever changes a membership first changes the state and then has every
// session settle, so the last one to look sees all changes.
func (s *Session) reconcile() {
	granted := s.grantedChannels()
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

// ungrant makes the subscription of a member one without a stored cursor. In plain
// mode nothing acknowledges its messages any more, so they leave the window.
func (s *Session) ungrant(sub *subscription) {
	if s.mode.Codec().Acknowledged() == codec.ByPong && sub.stored {
		s.takeOut(sub, sub.cursor)
	}
	sub.granted, sub.stored = false, false
}

// grantedChannels is where every session of the user is subscribed: the inbox, names.All,
// the stored memberships and those that the token lists.
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

// mayKeep says whether the client may have a channel that it asked for. A plain
// client without an identity cannot bring another token, and its own was checked.
func (s *Session) mayKeep(channel string) bool {
	id := s.identity.Load()
	return id == nil || s.loop.host.Policies.MaySubscribe(id, channel) == nil
}

// grant makes a membership that began while the session was connected a
// subscription of it. On the loop.
func (s *Session) grant(channel string) {
	s.pinnedJob(func() (onLoop, otherwise func()) {
		sub, _, err := s.newSubscription(channel, true)
		if err != nil {
			s.failed("subscribing a member", err)
			return nil, nil
		}
		return func() { s.granted(sub) }, func() { s.loop.host.Feeds.Release(sub.Feed) }
	})
}

// granted takes in the subscription, or makes the one that the client has a stored
// one, if there still is none and the membership has not ended. On the loop, with
// the user's state pinned.
func (s *Session) granted(fresh *subscription) {
	channel := fresh.Feed.Channel()
	sub := s.subscription(channel)
	if sub != nil && sub.granted || !s.tokenGrants(channel) && !s.user.IsMember(channel) {
		s.Job(func() { s.loop.host.Feeds.Release(fresh.Feed) })
		return
	}
	if sub != nil {
		sub.granted, sub.stored = true, fresh.stored
		s.Job(func() { s.loop.host.Feeds.Release(fresh.Feed) })
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

// start is where the subscription of a member begins. The cursor may be ahead of the
// feed, see feed.Clamp.
func (s *Session) start(f *feed.Feed) uint64 {
	if f.MemoryOnly() {
		return f.Head()
	}
	return s.user.Start(s.device, f.Channel(), f.Head())
}
