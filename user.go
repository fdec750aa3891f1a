package wirepost

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"
	"unicode/utf8"

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

// RevokeTokens revokes the tokens of a user that were issued before a time, closes the
// connections that use them with 4401, and returns how many it closed. The revocation
// is durable on return. The latest time of all calls counts, except a time that is in
// the future now because the clock was wrong. A token holds the second of its issue
// (RFC 7519 §4.1.6), so a token issued in the same second as before is revoked, too. In a
// cluster, every node closes such connections. If one of them does not answer, the error is
// ErrIncomplete: it closes them when it has applied the revocation, but they are not counted.
func (s *Server) RevokeTokens(ctx context.Context, userID string, before time.Time) (disconnected int, err error) {
	if err := checkUser(ctx, userID); err != nil {
		return 0, err
	}
	latest := s.Now().Add(time.Minute)
	if before.After(latest) {
		return 0, fieldError("before", "%s is in the future, and a revocation cannot be undone", before.Format(time.RFC3339))
	}
	mark := uint64(max(0, before.UnixMilli()))
	// Other nodes may close connections as soon as they know of the revocation. So those are
	// counted before.
	q := question{Kind: askOld, User: userID, Before: mark}
	old, incomplete := s.ask(ctx, s.others(), q)
	if incomplete != nil && !errors.Is(incomplete, ErrIncomplete) {
		return 0, incomplete
	}
	err = s.host.Users.With(ctx, userID, func(u *user.User) error {
		u.RevokeBefore(mark, uint64(latest.UnixMilli()))
		return s.host.Users.Save(ctx, u, true)
	})
	if err != nil {
		return 0, err
	}
	// A connection that is registered later sees the mark.
	disconnected = total(old) + s.endRevoked(userID, mark)
	q.Kind = askEndOld
	if _, err := s.ask(ctx, s.others(), q); err != nil {
		incomplete = err
	}
	return disconnected, incomplete
}
