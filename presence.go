package wirepost

import (
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/wire"
)

// Online is how many connections a user has.
func (s *Server) Online(name string) int { return len(s.users.sessionsOf(name)) }

// Sessions lists a user's connections, oldest first.
func (s *Server) Sessions(name string) []Session {
	list := []Session{}
	for _, ses := range s.users.sessionsOf(name) {
		list = append(list, ses.info())
	}
	return list
}

// Disconnect closes a user's connections with 4409, or the one that is named, and
// returns how many there were. On return they are no longer counted or listed,
// whether or not their clients have answered. The client must not reconnect by
// itself.
func (s *Server) Disconnect(name, connection string) (int, error) {
	if err := CheckUser(name); err != nil {
		return 0, err
	}
	sessions := s.users.sessionsOf(name)
	if connection != "" {
		sessions = slices.DeleteFunc(sessions, func(ses *session) bool { return ses.connection.String() != connection })
		if len(sessions) == 0 {
			return 0, Errorf(NotFound, "user %q has no connection %q", name, connection)
		}
	}
	endAll(sessions, wire.CloseDisconnected, "disconnected by the application")
	return len(sessions), nil
}

// User tells what is known of a user: a user nobody ever heard of is one without
// sessions and with an empty inbox.
func (s *Server) User(name string) (UserInfo, error) {
	if err := CheckUser(name); err != nil {
		return UserInfo{}, err
	}
	info := UserInfo{User: name, Sessions: s.Sessions(name), Channels: map[string]UserPlace{}}
	info.Online = len(info.Sessions)
	err := s.withUser(name, func(u *user) error {
		for _, channel := range append(u.memberships(), InboxOf(name), All) {
			p, err := s.userPlace(u, channel)
			if err != nil {
				return err
			}
			info.Channels[channel] = p
		}
		return nil
	})
	return info, err
}

func (s *Server) userPlace(u *user, channel string) (UserPlace, error) {
	p := UserPlace{Devices: u.cursors(channel)}
	log := s.logOf(s.policies.of(channel))
	bounds, err := log.Bounds(channel)
	if err != nil {
		return p, err
	}
	p.Head = bounds.Head
	if channel == All && !u.seen() {
		p.Read = bounds.Head // where the mark will begin
		return p, nil
	}
	p.Read, p.Unread, err = s.unread(u, log, channel)
	return p, err
}

// cursors are what the user's devices acknowledged in a channel.
func (u *user) cursors(channel string) map[string]uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := map[string]uint64{}
	for _, d := range u.mu.devices {
		if p := d.cursor(channel); p != nil {
			m[d.name] = p.seq
		}
	}
	return m
}

// Channel tells what is known of a channel; one that was never written to is
// empty.
func (s *Server) Channel(name string) (ChannelInfo, error) {
	if err := CheckChannel(name); err != nil {
		return ChannelInfo{}, err
	}
	p := s.policies.of(name)
	bounds, err := s.logOf(p).Bounds(name)
	if err != nil {
		return ChannelInfo{}, err
	}
	return ChannelInfo{
		Channel: name, Head: bounds.Head, Oldest: bounds.Oldest,
		Subscribers: s.feeds.subscribers(name),
		Policy: PolicyInfo{
			Pattern: p.Pattern, Durable: !p.MemoryOnly, MaxAge: p.MaxAge.String(),
			MaxMessages: p.MaxMessages, Subscribe: p.Subscribe, Publish: p.Publish,
		},
	}, nil
}

// maxReceipts bounds the users that the receipts of one message tell of.
const maxReceipts = 1000

// receipts says how far a message came, for each device of the users that it is
// for: the inbox's user, the channel's members, and whoever is subscribed now. Of
// a larger crowd it tells the first 1000 users.
func (s *Server) receipts(channel string, seq uint64) ([]Receipt, error) {
	names, err := s.audience(channel)
	if err != nil {
		return nil, err
	}
	list := []Receipt{}
	for _, name := range names {
		err := s.withUser(name, func(u *user) error {
			list = append(list, u.receipts(channel, seq, s.sentTo(u, channel, seq))...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// audience lists the users that a channel's messages are for.
func (s *Server) audience(channel string) ([]string, error) {
	if name, inbox := inboxUser(channel); inbox {
		return []string{name}, nil
	}
	names, err := s.engine.Members(channel, "", maxReceipts)
	if err != nil {
		return nil, err
	}
	if f := s.feeds.of(channel); f != nil {
		names = append(names, f.subscribedUsers(maxReceipts)...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxReceipts)], nil
}

// receipts of the user's devices. A device without a cursor in the channel has
// got nothing yet. A message from before the user's mark was not for the user and has
// none.
func (u *user) receipts(channel string, seq uint64, sent map[string]bool) []Receipt {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(channel)
	read := m != nil && m.read >= seq
	if m != nil && m.since >= seq {
		return nil
	}
	var list []Receipt
	for _, d := range u.mu.devices {
		r := Receipt{User: u.name, Device: d.name, State: Stored}
		switch p := d.cursor(channel); {
		case read:
			r.State = Read
		case p != nil && p.seq >= seq:
			r.State = Acknowledged
		case sent[d.name]:
			r.State = Sent
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		r := Receipt{User: u.name, State: Stored}
		if read {
			r.State = Read
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Receipt) int { return strings.Compare(a.Device, b.Device) })
	return list
}

// sentTo asks the loops which devices of a user have been sent a message in a
// session that is still there.
func (s *Server) sentTo(u *user, channel string, seq uint64) map[string]bool {
	sent := map[string]bool{}
	for _, ses := range u.online() {
		answer := make(chan bool, 1)
		ok := ses.loop.post(func() {
			answer <- ses.sent(channel, seq)
		})
		if ok && <-answer {
			sent[ses.device] = true
		}
	}
	return sent
}

// sent says whether a message was sent in this session. On the loop.
func (s *session) sent(channel string, seq uint64) bool {
	if s.conn == nil {
		return false
	}
	sub := s.subscription(channel)
	return sub != nil && sub.cursor >= seq
}

// subscribedUsers asks the loops for the users whose sessions follow the feed, at
// most max of each loop.
func (f *feed) subscribedUsers(max int) (names []string) {
	f.mu.Lock()
	var followers []*follower
	for fo := f.mu.followers; fo != nil; fo = fo.next {
		followers = append(followers, fo)
	}
	f.mu.Unlock()
	for _, fo := range followers {
		answer := make(chan []string, 1)
		if fo.loop.post(func() { answer <- fo.users(max) }) {
			names = append(names, <-answer...)
		}
	}
	return names
}

// users are those of the loop's sessions. On the loop.
func (fo *follower) users(max int) (names []string) {
	for _, sub := range fo.subs[:min(len(fo.subs), max)] {
		names = append(names, sub.session.user.name)
	}
	return names
}
