package wirepost

import (
	"context"
	"errors"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
)

// Online returns the number of a user's connections. In a cluster, it is what the other
// nodes announced last: it may be off for a moment, and a node that has not announced itself
// for 3 s has none.
func (s *Server) Online(ctx context.Context, userID string) (int, error) {
	if err := checkUser(ctx, userID); err != nil {
		return 0, err
	}
	return len(s.host.Users.ConnsOf(userID)) + s.elsewhere(InboxOf(userID)), nil
}

// Sessions lists a user's connections, oldest first. In a cluster, it asks the nodes that
// have some. If one of them does not answer, the error is ErrIncomplete, and the list has
// the connections to the others. Data of a connection to another node is nil.
func (s *Server) Sessions(ctx context.Context, userID string) ([]Session, error) {
	if err := checkUser(ctx, userID); err != nil {
		return nil, err
	}
	list := s.localSessions(userID)
	more, err := s.sessionsElsewhere(ctx, userID)
	if len(more) > 0 {
		list = append(list, more...)
		slices.SortFunc(list, byAge)
	}
	return list, err
}

// OnlineUsers iterates over the users that have a connection, with the number of
// their connections, in no particular order. Users that connect or disconnect during
// the iteration may be missed. In a cluster, the users of the other nodes are included, as
// those announced them last.
func (s *Server) OnlineUsers() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, u := range s.host.Users.All() {
			if n := len(u.Conns()); n > 0 && !yield(u.Name(), n+s.elsewhere(u.Inbox())) {
				return
			}
		}
		s.onlineElsewhere(func(userID string, n int) bool {
			return len(s.host.Users.ConnsOf(userID)) > 0 || yield(userID, n)
		})
	}
}

// SendTo sends a frame to one connection of a user, without storing it: it is lost if
// the connection breaks, and nothing acknowledges it. The error is ErrNotFound if there
// is no such connection, and ErrBadRequest if the connection is not in plain mode: the
// other modes have frames of their own. A client that does not read is closed with 4429
// when more than 1 MiB of such frames is pending.
func (s *Server) SendTo(ctx context.Context, userID, connection string, f Frame) error {
	if err := checkUser(ctx, userID); err != nil {
		return err
	}
	if err := s.checkFrame(f); err != nil {
		return err
	}
	var plain bool
	if ses := s.local(userID, connection); ses != nil {
		plain = ses.SendFrame(session.Frame(f))
	} else {
		a, err := s.askAbout(ctx, question{Kind: askSend, User: userID, Connection: connection, Binary: f.Binary, Data: f.Data})
		if err != nil {
			return err
		}
		plain = !a.NotPlain
	}
	if !plain {
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
	if err := checkUser(ctx, userID); err != nil {
		return err
	}
	return s.closeOne(ctx, userID, connection, info)
}

// closeOne closes a connection on whatever node it is.
func (s *Server) closeOne(ctx context.Context, userID, connection string, info CloseInfo) error {
	if ses := s.local(userID, connection); ses != nil {
		session.EndAll([]*session.Session{ses}, info.Code, info.Reason)
		return nil
	}
	_, err := s.askAbout(ctx, question{Kind: askClose, User: userID, Connection: connection, Code: info.Code, Reason: info.Reason})
	return err
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

// Disconnect closes all connections of a user, or only the named one, with 4409, and
// returns how many it closed. On return they are no longer counted or listed,
// whether or not the clients have responded. A client must not reconnect by itself
// after 4409. In a cluster, it closes those to all nodes. If one of them does not answer,
// the error is ErrIncomplete, and connections to that node may be open.
func (s *Server) Disconnect(ctx context.Context, userID, connection string) (int, error) {
	if err := checkUser(ctx, userID); err != nil {
		return 0, err
	}
	if connection != "" {
		if err := s.closeOne(ctx, userID, connection, disconnected); err != nil {
			return 0, err
		}
		return 1, nil
	}
	n := s.closeLocal(userID, "", disconnected)
	all, err := s.ask(ctx, s.others(), question{Kind: askClose, User: userID, Code: disconnected.Code, Reason: disconnected.Reason})
	return n + total(all), err
}

// User describes a user. An unknown user has no sessions and an empty inbox.
func (s *Server) User(ctx context.Context, userID string) (UserInfo, error) {
	online := len(s.host.Users.ConnsOf(userID)) + s.elsewhere(InboxOf(userID))
	sessions, err := s.Sessions(ctx, userID)
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return UserInfo{}, err
	}
	info := UserInfo{User: userID, Online: len(sessions), Sessions: sessions, Channels: map[string]UserChannel{}}
	if err != nil {
		info.Incomplete, info.Online = true, online
	}
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

// receipts lists the receipts of a message for each device of its users: the inbox's
// user, or the channel's members and the users that are subscribed now. If there are
// more than maxReceipts users, it lists the first ones in byte order. ErrIncomplete comes
// together with a list.
func (s *Server) receipts(ctx context.Context, channel string, seq uint64) ([]Receipt, error) {
	subscribers, incomplete := s.sentElsewhere(ctx, channel, seq)
	if incomplete != nil && !errors.Is(incomplete, ErrIncomplete) {
		return nil, incomplete
	}
	subscribers = append(subscribers, s.localSent(channel, seq)...)
	users, err := s.audience(ctx, channel, subscribers)
	if err != nil {
		return nil, err
	}
	sent := map[string]map[string]bool{} // by user and device
	for _, to := range subscribers {
		if to.Sent && sent[to.User] == nil {
			sent[to.User] = map[string]bool{}
		}
		if to.Sent {
			sent[to.User][to.Device] = true
		}
	}
	list := []Receipt{}
	for _, name := range users {
		err := s.host.Users.With(ctx, name, func(u *user.User) error {
			for _, r := range u.Receipts(channel, seq, sent[name]) {
				list = append(list, Receipt{User: name, Device: r.Device, State: ReceiptState(r.State)})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, incomplete
}

// audience lists the users that receive a channel's messages.
func (s *Server) audience(ctx context.Context, channel string, subscribers []sentTo) ([]string, error) {
	if name, inbox := names.InboxUser(channel); inbox {
		return []string{name}, nil
	}
	users, err := s.engine.Members(ctx, channel, "", maxReceipts)
	if err != nil {
		return nil, err
	}
	for _, to := range subscribers {
		users = append(users, to.User)
	}
	slices.Sort(users)
	users = slices.Compact(users)
	return users[:min(len(users), maxReceipts)], nil
}
