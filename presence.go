package wirepost

import (
	"context"
	"iter"
	"slices"
	"unicode/utf8"

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

// OnlineUsers iterates over the users that have a connection, with the number of
// their connections, in no order. Who connects or leaves meanwhile may be missed.
func (s *Server) OnlineUsers() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, u := range s.host.Users.All() {
			if n := len(u.Conns()); n > 0 && !yield(u.Name(), n) {
				return
			}
		}
	}
}

// SendTo sends a frame to one connection of a user, past all logs: whoever is not
// connected does not get it, and nothing acknowledges it. CodeNotFound says that there
// is no such connection, CodeBadRequest that it is not in plain mode, whose frames have
// no form.
func (s *Server) SendTo(user, connection string, f Frame) error {
	ses, err := s.connection(user, connection)
	if err != nil {
		return err
	}
	switch {
	case len(f.Data) > s.opts.MaxMessage:
		return Errorf(CodeTooLarge, "the data has %d bytes, more than %d", len(f.Data), s.opts.MaxMessage)
	case !f.Binary && !utf8.Valid(f.Data):
		return fieldError("data", "not valid UTF-8, as a text frame is")
	case !ses.SendFrame(session.Frame(f)):
		return fieldError("connection", "%q is not in plain mode", connection)
	}
	return nil
}

// CloseConnection closes one connection of a user with a close code from 3000 to
// 4999, or 1000, and a reason of at most 123 bytes (RFC 6455 §5.5 and §7.4). On return
// it is no longer counted or listed.
func (s *Server) CloseConnection(user, connection string, info CloseInfo) error {
	switch {
	case info.Code != wire.CloseNormal && (info.Code < 3000 || info.Code > 4999):
		return fieldError("code", "%d is neither 1000 nor from 3000 to 4999", info.Code)
	case len(info.Reason) > 123 || !utf8.ValidString(info.Reason):
		return fieldError("reason", "not at most 123 bytes of UTF-8")
	}
	ses, err := s.connection(user, connection)
	if err != nil {
		return err
	}
	session.EndAll([]*session.Session{ses}, info.Code, info.Reason)
	return nil
}

// connection is the session of a connection.
func (s *Server) connection(name, connection string) (*session.Session, error) {
	if err := CheckUser(name); err != nil {
		return nil, err
	}
	for _, ses := range s.host.Of(name) {
		if ses.Info().Connection == connection {
			return ses, nil
		}
	}
	return nil, Errorf(CodeNotFound, "user %q has no connection %q", name, connection)
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
		one, err := s.connection(name, connection)
		if err != nil {
			return 0, err
		}
		sessions = []*session.Session{one}
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
	err := s.host.Users.With(context.Background(), name, func(u *user.User) error {
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
	bounds, err := log.Bounds(context.Background(), channel)
	if err != nil {
		return p, err
	}
	p.Head = bounds.Head
	if channel == All && !u.Known() {
		p.Read = bounds.Head // where the mark will begin
		return p, nil
	}
	p.Read, p.Unread, err = s.host.Users.Unread(context.Background(), u, channel)
	return p, err
}

// Channel tells what is known of a channel; one that was never written to is
// empty.
func (s *Server) Channel(name string) (ChannelInfo, error) {
	if err := CheckChannel(name); err != nil {
		return ChannelInfo{}, err
	}
	p := s.host.Policies.Of(name)
	bounds, err := s.host.Feeds.LogOf(name).Bounds(context.Background(), name)
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
		err := s.host.Users.With(context.Background(), name, func(u *user.User) error {
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
	names, err := s.engine.Members(context.Background(), channel, "", maxReceipts)
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
