package wirepost

import (
	"slices"

	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// Online is how many connections a user has.
func (s *Server) Online(name string) int { return len(s.host.Users.ConnsOf(name)) }

// Sessions lists a user's connections, oldest first.
func (s *Server) Sessions(name string) []Session {
	list := []Session{}
	for _, ses := range s.host.Of(name) {
		list = append(list, Session(ses.Info()))
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
	sessions := s.host.Of(name)
	if connection != "" {
		sessions = slices.DeleteFunc(sessions, func(ses *session.Session) bool { return ses.Info().Connection != connection })
		if len(sessions) == 0 {
			return 0, Errorf(CodeNotFound, "user %q has no connection %q", name, connection)
		}
	}
	session.EndAll(sessions, wire.CloseDisconnected, "disconnected by the application")
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
	err := s.host.Users.With(name, func(u *user.User) error {
		for _, channel := range append(u.Memberships(), InboxOf(name), All) {
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

func (s *Server) userPlace(u *user.User, channel string) (UserPlace, error) {
	p := UserPlace{Devices: u.Cursors(channel)}
	log := s.host.Feeds.LogOf(channel)
	bounds, err := log.Bounds(channel)
	if err != nil {
		return p, err
	}
	p.Head = bounds.Head
	if channel == All && !u.Known() {
		p.Read = bounds.Head // where the mark will begin
		return p, nil
	}
	p.Read, p.Unread, err = s.host.Users.Unread(u, channel)
	return p, err
}

// Channel tells what is known of a channel; one that was never written to is
// empty.
func (s *Server) Channel(name string) (ChannelInfo, error) {
	if err := CheckChannel(name); err != nil {
		return ChannelInfo{}, err
	}
	p := s.host.Policies.Of(name)
	bounds, err := s.host.Feeds.LogOf(name).Bounds(name)
	if err != nil {
		return ChannelInfo{}, err
	}
	return ChannelInfo{
		Channel: name, Head: bounds.Head, Oldest: bounds.Oldest,
		Subscribers: s.host.Feeds.Connections(name),
		Policy: PolicyInfo{
			Pattern: p.Pattern, Durable: !p.MemoryOnly, MaxAge: p.MaxAge.String(),
			MaxMessages: p.MaxMessages, Subscribe: Access(p.Subscribe), Publish: Access(p.Publish),
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
		err := s.host.Users.With(name, func(u *user.User) error {
			for _, r := range u.Receipts(channel, seq, session.SentTo(u, channel, seq)) {
				list = append(list, Receipt{User: name, Device: r.Device, State: ReceiptState(r.State)})
			}
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
	if name, inbox := names.InboxUser(channel); inbox {
		return []string{name}, nil
	}
	names, err := s.engine.Members(channel, "", maxReceipts)
	if err != nil {
		return nil, err
	}
	if f := s.host.Feeds.Find(channel); f != nil {
		for _, subscriber := range f.Followers(maxReceipts) {
			names = append(names, subscriber.User())
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxReceipts)], nil
}
