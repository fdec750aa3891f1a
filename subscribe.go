package wirepost

import (
	"encoding/json"
	"slices"

	"github.com/wirepost/wirepost/internal/wire"
)

// onSubscribe answers with the state of the channel first; its messages follow.
func (s *session) onSubscribe(c *wire.Command) {
	if err := CheckChannel(c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	if err := s.srv.maySubscribe(s.identity, c.Channel); err != nil {
		s.refuse(c.Ref, err)
		return
	}
	ref, channel, after := c.Ref, c.Channel, c.After
	s.job(func() {
		feed, err := s.srv.feeds.subscribe(channel)
		if err != nil {
			s.answer(ref, nil, err)
			return
		}
		bounds, err := feed.log().Bounds(channel)
		if err != nil {
			s.srv.feeds.release(feed)
			s.answer(ref, nil, err)
			return
		}
		s.orElse(func() { s.subscribed(ref, feed, after, bounds.Oldest, bounds.Lost) },
			func() { s.srv.feeds.release(feed) })
	})
}

// orElse does fn on the loop, or otherwise, off the loop, if the session has ended.
func (s *session) orElse(fn, otherwise func()) {
	posted := s.loop.post(func() {
		if s.closed {
			s.job(otherwise)
			return
		}
		fn()
	})
	if !posted {
		otherwise()
	}
}

// subscribed makes the subscription that a client asked for, or moves the one
// that it has. On the loop.
func (s *session) subscribed(ref json.RawMessage, feed *feed, after *uint64, oldest, lost uint64) {
	head := feed.head.Load()
	sub := s.subscription(feed.channel)
	switch {
	case sub != nil:
		s.job(func() { s.srv.feeds.release(feed) })
		if after != nil {
			s.landed(sub, sub.cursor)
			sub.cursor, sub.news = min(*after, head), nil
		}
	case len(s.subs) >= s.srv.opts.MaxSubscriptions:
		s.job(func() { s.srv.feeds.release(feed) })
		s.refuse(ref, Errorf(RateLimited, "a session has at most %d subscriptions", s.srv.opts.MaxSubscriptions))
		return
	default:
		sub = &subscription{session: s, feed: feed, cursor: head}
		if after != nil {
			sub.cursor = min(*after, head)
		}
		s.addSubscription(sub)
	}
	resumed := sub.cursor >= lost
	s.send(textFrame(wire.OK{Type: "ok", Ref: ref, Seq: &head, Oldest: &oldest, Resumed: &resumed}))
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
	case c.Channel == All || c.Channel == InboxOf(s.user.name):
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
	s.job(func() { s.srv.feeds.unref(sub.feed) })
	s.markDirty()
}

// regrant brings the subscriptions in line with a new token: those that it no
// longer allows end, and its memberships begin. On the loop.
func (s *session) regrant() {
	for _, sub := range slices.Clone(s.subs) {
		channel := sub.feed.channel
		member := channel == All || sub.granted && s.user.isMember(channel)
		if !member && s.srv.maySubscribe(s.identity, channel) != nil {
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
	feed, err := s.srv.feeds.subscribe(channel)
	if err != nil {
		s.srv.logger.Error("subscribing a member", "channel", channel, "error", err)
		s.do(func() { s.end(wire.CloseInternal, "the store cannot be read") })
		return
	}
	start := s.user.start(s.device, feed)
	s.srv.saver.later(s.user)
	s.orElse(func() { s.granted(feed, start) }, func() { s.srv.feeds.release(feed) })
}

// granted adds the subscription, or makes the one that the client has a stored
// one. On the loop.
func (s *session) granted(feed *feed, start uint64) {
	sub := s.subscription(feed.channel)
	if sub != nil {
		s.job(func() { s.srv.feeds.release(feed) })
	} else {
		sub = &subscription{session: s, feed: feed, cursor: start}
		s.addSubscription(sub)
		s.tellMembership("subscribed", feed.channel)
	}
	sub.granted, sub.stored = true, !feed.policy.MemoryOnly
	s.markDirty()
}

// ungrant ends the subscription of a membership that the backend ended, unless
// the token allows it as well. On the loop.
func (s *session) ungrant(channel string) {
	sub := s.subscription(channel)
	if sub == nil || !sub.granted || slices.Contains(s.identity.Channels, channel) {
		return
	}
	s.drop(sub)
	s.tellMembership("unsubscribed", channel)
}

func (s *session) tellMembership(what, channel string) {
	if s.mode == modeV1 {
		s.send(textFrame(wire.Membership{Type: what, Channel: channel}))
	}
}
