package wirepost

import (
	"context"
	"errors"
	"slices"

	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/user"
)

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
