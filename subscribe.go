package wirepost

import (
	"encoding/json"
	"slices"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/wire"
)

// onSubscribe answers with the state of the channel first; its messages follow.
func (s *session) onSubscribe(c *wire.Command) {
	if err := CheckChannel(c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	if err := s.loop.srv.maySubscribe(s.identity, c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	ref, channel, after := c.Ref, c.Channel, c.After
	byToken := s.tokenGrants(channel)
	s.job(func() {
		sub, bounds, err := s.newSubscription(channel, byToken)
		if err != nil {
			s.answer(ref, nil, err)
			return
		}
		s.orElse(func() { s.subscribed(ref, sub, after, bounds) },
			func() { s.loop.srv.feeds.release(sub.feed) })
	})
}

// newSubscription makes a subscription: one of a member, by a stored membership or
// by the token, goes on at the device's cursor; any other begins at the head. It is
// part of a job.
func (s *session) newSubscription(channel string, byToken bool) (*subscription, engine.Bounds, error) {
	if err := s.loop.srv.users.pin(s.user); err != nil {
		return nil, engine.Bounds{}, err
	}
	defer s.user.unpin()
	feed, err := s.loop.srv.feeds.subscribe(channel)
	if err != nil {
		return nil, engine.Bounds{}, err
	}
	sub := &subscription{session: s, feed: feed, cursor: feed.head.Load()}
	if byToken || s.user.isMember(channel) {
		sub.granted, sub.stored = true, !feed.policy.MemoryOnly
		sub.cursor = s.user.start(s.device, feed)
		s.loop.srv.saver.later(s.user)
	}
	bounds, err := feed.log().Bounds(channel)
	if err != nil {
		s.loop.srv.feeds.release(feed)
	}
	return sub, bounds, err
}

// orElse does fn on the loop, or otherwise, off the loop, if the session has ended.
func (s *session) orElse(fn, otherwise func()) {
	posted := s.loop.post(func() {
		if s.ending {
			s.job(otherwise)
			return
		}
		fn()
	})
	if !posted {
		otherwise()
	}
}

// subscribed takes in the subscription that a client asked for, or goes on with
// the one that it has. On the loop.
func (s *session) subscribed(ref json.RawMessage, fresh *subscription, after *uint64, bounds engine.Bounds) {
	sub, head := s.subscription(fresh.feed.channel), fresh.feed.head.Load()
	switch {
	case sub != nil:
		s.job(func() { s.loop.srv.feeds.release(fresh.feed) })
		if after != nil {
			s.landed(sub, sub.cursor)
			sub.news = nil
		}
	case len(s.subs) >= s.loop.srv.opts.MaxSubscriptions:
		s.job(func() { s.loop.srv.feeds.release(fresh.feed) })
		s.refuse(ref, Errorf(RateLimited, "a session has at most %d subscriptions", s.loop.srv.opts.MaxSubscriptions))
		return
	default:
		sub = fresh
		s.addSubscription(sub)
	}
	sub.wished = true
	if after != nil {
		sub.cursor = min(*after, head)
	}
	resumed := sub.cursor >= bounds.Lost
	s.send(textFrame(wire.OK{Type: "ok", Ref: ref, Seq: &head, Oldest: &bounds.Oldest, Resumed: &resumed}))
	s.markDirty()
}

func (s *session) addSubscription(sub *subscription) {
	s.subs = append(s.subs, sub)
	sub.feed.follow(sub)
}

func (s *session) onUnsubscribe(c *wire.Command) {
	sub := s.subscription(c.Channel)
	switch {
	case sub == nil:
		s.refuse(c.Ref, Errorf(NotFound, "no subscription to %q", c.Channel))
	case c.Channel == All || c.Channel == s.user.inbox:
		s.refuse(c.Ref, Errorf(BadRequest, "every session is subscribed to %q", c.Channel))
	default:
		s.drop(sub)
		s.send(textFrame(wire.OK{Type: "ok", Ref: c.Ref}))
	}
}

// drop ends a subscription. On the loop.
func (s *session) drop(sub *subscription) {
	s.landed(sub, sub.cursor)
	sub.feed.unfollow(sub)
	sub.feed.count(-1)
	sub.session = nil
	s.subs = slices.DeleteFunc(s.subs, func(other *subscription) bool { return other == sub })
	s.job(func() { s.loop.srv.feeds.unref(sub.feed) })
	s.markDirty()
}

// regrant brings the subscriptions in line with a new token: those that it no
// longer allows end, and its memberships begin. On the loop.
func (s *session) regrant(memberships []string) {
	for _, sub := range slices.Clone(s.subs) {
		channel := sub.feed.channel
		if channel == All || slices.Contains(memberships, channel) || s.tokenGrants(channel) {
			continue
		}
		if s.loop.srv.maySubscribe(s.identity, channel) != nil {
			s.drop(sub)
			s.tellMembership("unsubscribed", channel)
		}
	}
	for _, channel := range s.identity.Channels {
		if sub := s.subscription(channel); sub == nil || !sub.granted {
			s.job(func() { s.grant(channel) })
		}
	}
}

// grant makes a membership that began while the session was connected a
// subscription of it. It is a job.
func (s *session) grant(channel string) {
	sub, _, err := s.newSubscription(channel, true)
	if err != nil {
		s.loop.srv.logger.Error("subscribing a member", "channel", channel, "error", err)
		s.do(func() { s.end(wire.CloseInternal, "the store cannot be read") })
		return
	}
	s.orElse(func() { s.granted(sub) }, func() { s.loop.srv.feeds.release(sub.feed) })
}

// granted takes in the subscription, or makes the one that the client has a stored
// one. On the loop.
func (s *session) granted(fresh *subscription) {
	sub := s.subscription(fresh.feed.channel)
	if sub != nil {
		sub.granted, sub.stored = true, fresh.stored
		s.job(func() { s.loop.srv.feeds.release(fresh.feed) })
	} else {
		s.addSubscription(fresh)
	}
	s.tellMembership("subscribed", fresh.feed.channel)
	s.markDirty()
}

// ungrant takes back what a membership gave that the backend ended, unless the
// token gives it as well. A subscription that the client itself asked for goes on,
// as one without a stored cursor. On the loop.
func (s *session) ungrant(channel string) {
	sub := s.subscription(channel)
	if sub == nil || !sub.granted || s.tokenGrants(channel) {
		return
	}
	sub.granted, sub.stored = false, false
	if !sub.wished {
		s.drop(sub)
		s.tellMembership("unsubscribed", channel)
	}
}

func (s *session) tellMembership(what, channel string) {
	if s.mode.objects() {
		s.send(s.mode.frame(wire.Encode(wire.Membership{Type: what, Channel: channel})))
	}
}
