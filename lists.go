package wirepost

import (
	"context"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/names"
)

// ListQuery selects a page of a list of users or channels. Names are in byte order.
type ListQuery struct {
	Prefix string // of the names
	After  string // the name after which the page begins; "": at the first one
	Limit  int    // at most MaxLimit; 0 means DefaultLimit
	Online bool   // only users that have a connection
}

// UserEntry is a user in a list.
type UserEntry struct {
	User   string `json:"user"`
	Online int    `json:"online"` // connections
}

// ChannelEntry is a channel in a list.
type ChannelEntry struct {
	Channel     string `json:"channel"`
	Head        uint64 `json:"head"`
	Subscribers int    `json:"subscribers"` // connections
}

func (q *ListQuery) complete() (err error) {
	q.Limit, err = pageLimit(q.Limit)
	return err
}

// Users lists the users that have a connection or of which a device, a read mark or a
// membership is stored. Next is what After is for the next page; it equals After if there
// were no users. In a cluster, the users of the other nodes are included.
func (s *Server) Users(ctx context.Context, q ListQuery) (list []UserEntry, next string, err error) {
	if err := q.complete(); err != nil {
		return nil, "", err
	}
	page := newNamePage(&q)
	for name := range s.OnlineUsers() {
		page.add(name)
	}
	if !q.Online {
		stored, err := s.engine.ListUsers(ctx, q.Prefix, q.After, q.Limit+ownNames)
		if err != nil {
			return nil, "", public(err)
		}
		page.add(slices.DeleteFunc(stored, func(name string) bool { return names.CheckUser(name) != nil })...)
	}
	next = q.After
	for _, name := range page.names() {
		online, err := s.Online(ctx, name)
		if err != nil {
			return nil, "", err
		}
		next = name
		if online > 0 || !q.Online {
			list = append(list, UserEntry{name, online})
		}
	}
	return list, next, nil
}

// Channels lists the channels that have a subscriber or to which something was written, and
// among them inboxes. Next is what After is for the next page; it equals After if there were
// no channels.
func (s *Server) Channels(ctx context.Context, q ListQuery) (list []ChannelEntry, next string, err error) {
	if err := q.complete(); err != nil {
		return nil, "", err
	}
	page := newNamePage(&q)
	for _, f := range s.host.Feeds.All() {
		if f.Connections() > 0 {
			page.add(f.Channel())
		}
	}
	if s.peers != nil {
		s.peers.All(q.Prefix, func(channel string, _ int) bool {
			page.add(channel)
			return true
		})
	}
	for _, log := range []engine.Log{s.engine, s.memory} {
		stored, err := log.ListChannels(ctx, q.Prefix, q.After, q.Limit+ownNames)
		if err != nil {
			return nil, "", public(err)
		}
		page.add(slices.DeleteFunc(stored, names.IsReserved)...)
	}
	next = q.After
	for _, name := range page.names() {
		bounds, err := s.host.Feeds.LogOf(name).Bounds(ctx, name)
		if err != nil {
			return nil, "", public(err)
		}
		next = name
		list = append(list, ChannelEntry{name, bounds.Head, s.host.Feeds.Connections(name) + s.elsewhere(name)})
	}
	return list, next, nil
}

// CountStored counts the users and channels of which something is stored, inboxes included, up
// to a number of each. It reads their names.
func (s *Server) CountStored(ctx context.Context, most int) (users, channels int, err error) {
	found, err := s.engine.ListUsers(ctx, "", "", most+ownNames)
	if err != nil {
		return 0, 0, public(err)
	}
	users = len(slices.DeleteFunc(found, func(name string) bool { return names.CheckUser(name) != nil }))
	for _, log := range []engine.Log{s.engine, s.memory} {
		if found, err = log.ListChannels(ctx, "", "", most+ownNames); err != nil {
			return 0, 0, public(err)
		}
		channels += len(slices.DeleteFunc(found, names.IsReserved))
	}
	return min(users, most), min(channels, most), nil
}

// ownNames is the most users or channels that the server has for itself, which are not
// listed.
const ownNames = 2

// namePage collects the first names of a list, without holding all of them.
type namePage struct {
	query *ListQuery
	found []string
}

func newNamePage(q *ListQuery) *namePage { return &namePage{query: q} }

func (p *namePage) add(names ...string) {
	for _, name := range names {
		if name > p.query.After && strings.HasPrefix(name, p.query.Prefix) {
			p.found = append(p.found, name)
		}
		if len(p.found) >= 4*MaxLimit {
			p.found = slices.Clone(p.names())
		}
	}
}

// names returns the first names, in order.
func (p *namePage) names() []string {
	slices.Sort(p.found)
	p.found = slices.Compact(p.found)
	return p.found[:min(len(p.found), p.query.Limit)]
}
