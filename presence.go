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

// Online returns the number of a user's connections.
func (s *Server) Online(ctx context.Context, userID string) (int, error) {
	if err := checkUser(ctx, userID); err != nil {
		return 0, err
	}
	return len(s.host.Users.ConnsOf(userID)), nil
}

// Sessions lists a user's connections, oldest first.
func (s *Server) Sessions(ctx context.Context, userID string) ([]Session, error) {
	if err := checkUser(ctx, userID); err != nil {
		return nil, err
	}
	list := []Session{}
	for _, ses := range s.host.Of(userID) {
		list = append(list, newSession(ses.Info()))
	}
	return list, nil
}

// OnlineUsers iterates over the users that have a connection, with the number of
// their connections, in no particular order. Users that connect or disconnect during
// the iteration may be missed.
func (s *Server) OnlineUsers() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, u := range s.host.Users.All() {
			if n := len(u.Conns()); n > 0 && !yield(u.Name(), n) {
				return
			}
		}
	}
}

// SendTo sends a frame to one connection of a user, without storing it: it is lost if
// the connection breaks, and nothing acknowledges it. The error is ErrNotFound if there
// is no such connection, and ErrBadRequest if the connection is not in plain mode: the
// other modes have frames of their own. A client that does not read is closed with 4429
// when more than 1 MiB of such frames is pending.
func (s *Server) SendTo(ctx context.Context, userID, connection string, f Frame) error {
	ses, err := s.connection(ctx, userID, connection)
	if err != nil {
		return err
	}
	if err := s.checkFrame(f); err != nil {
		return err
	}
	if !ses.SendFrame(session.Frame(f)) {
		return fieldError("connection", "%q is not in plain mode", connection)
	}
	return nil
}

// CloseConnection closes one connection of a user with a close code from 3000 to
// 4999, or 1000, and a reason of at most 123 bytes (RFC 6455 §5.5 and §7.4). On return
// it is no longer counted or listed.
func (s *Server) CloseConnection(ctx context.Context, userID, connection string, info CloseInfo) error {
	if err := info.check(); err != nil {
		return err
	}
	ses, err := s.connection(ctx, userID, connection)
	if err != nil {
		return err
	}
	session.EndAll([]*session.Session{ses}, info.Code, info.Reason)
	return nil
}

// checkFrame refuses what cannot be sent as one frame.
func (s *Server) checkFrame(f Frame) error {
	switch {
	case len(f.Data) > s.opts.MaxMessage:
		return Errorf(CodeTooLarge, "the data has %d bytes, more than %d", len(f.Data), s.opts.MaxMessage)
	case !f.Binary && !utf8.Valid(f.Data):
		return fieldError("data", "not valid UTF-8, as a text frame is")
	}
	return nil
}

// check refuses what an application may not close a connection with.
func (e CloseInfo) check() error {
	switch {
	case e.Code != wire.CloseNormal && (e.Code < 3000 || e.Code > 4999):
		return fieldError("code", "%d is neither 1000 nor from 3000 to 4999", e.Code)
	case len(e.Reason) > 123 || !utf8.ValidString(e.Reason):
		return fieldError("reason", "%d bytes, at most 123 bytes of valid UTF-8 are allowed", len(e.Reason))
	}
	return nil
}

// connection is the session of a connection.
func (s *Server) connection(ctx context.Context, userID, connection string) (*session.Session, error) {
	if err := checkUser(ctx, userID); err != nil {
		return nil, err
	}
	for _, ses := range s.host.Of(userID) {
		if ses.Info().Connection == connection {
			return ses, nil
		}
	}
	return nil, Errorf(CodeNotFound, "user %q has no connection %q", userID, connection)
}

// Disconnect closes all connections of a user, or only the named one, with 4409, and
// returns how many it closed. On return they are no longer counted or listed,
// whether or not the clients have responded. A client must not reconnect by itself
// after 4409.
func (s *Server) Disconnect(ctx context.Context, userID, connection string) (int, error) {
	if err := checkUser(ctx, userID); err != nil {
		return 0, err
	}
	sessions := s.host.Of(userID)
	if connection != "" {
		one, err := s.connection(ctx, userID, connection)
		if err != nil {
			return 0, err
		}
		sessions = []*session.Session{one}
	}
	session.EndAll(sessions, wire.CloseDisconnected, "disconnected by the application")
	return len(sessions), nil
}

// User describes a user. An unknown user has no sessions and an empty inbox.
func (s *Server) User(ctx context.Context, userID string) (UserInfo, error) {
	sessions, err := s.Sessions(ctx, userID)
	if err != nil {
		return UserInfo{}, err
	}
	info := UserInfo{User: userID, Online: len(sessions), Sessions: sessions, Channels: map[string]UserChannel{}}
	err = s.host.Users.With(ctx, userID, func(u *user.User) error {
		for _, channel := range append(u.Memberships(), InboxOf(userID), All) {
			c, err := s.userChannel(ctx, u, channel)
			if err != nil {
				return err
			}
			info.Channels[channel] = c
		}
		return nil
	})
	return info, err
}

func (s *Server) userChannel(ctx context.Context, u *user.User, channel string) (UserChannel, error) {
	c := UserChannel{Devices: u.Cursors(channel)}
	log := s.host.Feeds.LogOf(channel)
	bounds, err := log.Bounds(ctx, channel)
	if err != nil {
		return c, err
	}
	c.Head = bounds.Head
	if channel == All && !u.Known() {
		c.Read = bounds.Head // where the mark will begin
		return c, nil
	}
	c.Read, c.Unread, err = s.host.Users.Unread(ctx, u, channel)
	return c, err
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
	return ChannelInfo{
		Channel: name, Head: bounds.Head, Oldest: bounds.Oldest,
		Subscribers: s.host.Feeds.Connections(name),
		Policy: Policy{
			Pattern: p.Pattern, NonDurable: p.NonDurable, MaxAge: p.MaxAge,
			MaxMessages: p.MaxMessages, Subscribe: Access(p.Subscribe), Publish: Access(p.Publish),
		},
	}, nil
}

// maxReceipts bounds the users in the receipts of one message.
const maxReceipts = 1000

// receipts lists the receipts of a message for each device of its users: the inbox's
// user, or the channel's members and the users that are subscribed now. If there are
// more than maxReceipts users, it lists the first ones in byte order.
func (s *Server) receipts(ctx context.Context, channel string, seq uint64) ([]Receipt, error) {
	names, err := s.audience(ctx, channel)
	if err != nil {
		return nil, err
	}
	list := []Receipt{}
	for _, name := range names {
		err := s.host.Users.With(ctx, name, func(u *user.User) error {
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

// audience lists the users that receive a channel's messages.
func (s *Server) audience(ctx context.Context, channel string) ([]string, error) {
	if name, inbox := names.InboxUser(channel); inbox {
		return []string{name}, nil
	}
	names, err := s.engine.Members(ctx, channel, "", maxReceipts)
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
