package client

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

// Room is who is present in a channel, kept up to date. Its methods are safe for concurrent
// use.
type Room struct {
	changed chan struct{}
	mu      struct {
		sync.Mutex
		count int
		users []wire.PresentUser
	}
}

// maxListed is the most users that a server lists.
const maxListed = 1000

// PresentUser is a user who is present in a channel.
type PresentUser struct {
	User  string
	Info  json.RawMessage // what the user's identity says for others; nil if nothing
	Since time.Time       // when the user became present
}

// UnmarshalJSON reads the form of the HTTP API.
func (u *PresentUser) UnmarshalJSON(text []byte) error {
	var form wire.PresentUser
	err := json.Unmarshal(text, &form)
	*u = newPresentUser(form)
	return err
}

func newPresentUser(u wire.PresentUser) PresentUser {
	return PresentUser{u.User, u.Info, time.UnixMilli(u.Since)}
}

// Presence subscribes to a channel whose policy has presence, as Subscribe does, and returns
// who is there. The Room is kept up to date, also across reconnects, until Unsubscribe or
// Close. A second call returns the same Room.
func (c *Client) Presence(ctx context.Context, channel string) (*Room, error) {
	c.mu.Lock()
	seq, known := c.mu.positions.at(channel).from()
	c.mu.Unlock()
	r := wire.Request{Type: "subscribe", Channel: channel, Presence: true}
	if known {
		r.After = &seq
	}
	var room *Room
	_, err := c.command(ctx, r, func(f *wire.Frame) { // before the first change
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mu.positions.wanted[channel] = true
		c.mu.positions.at(channel).subscribed(r.After, f.Seq)
		if room = c.mu.rooms[channel]; room == nil {
			room = &Room{changed: make(chan struct{}, 1)}
			c.mu.rooms[channel] = room
		}
		room.replace(f.Presence)
	})
	if err != nil {
		return nil, err
	}
	return room, nil
}

// Count is the number of users.
func (r *Room) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.count
}

// Users lists the users in the order in which they came, at most 1000.
func (r *Room) Users() []PresentUser {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]PresentUser, len(r.mu.users))
	for i, u := range r.mu.users {
		list[i] = newPresentUser(u)
	}
	return list
}

// Changed gets a value at first, and when the list has changed. While nobody receives, several
// changes are one value. It is never closed.
func (r *Room) Changed() <-chan struct{} { return r.changed }

func (r *Room) replace(state *wire.PresenceState) {
	if state == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.count, r.mu.users = state.Count, state.Users
	notify(r.changed)
}

// change applies a presence frame.
func (r *Room) change(f *wire.Frame) {
	if f.Users != nil {
		r.replace(&wire.PresenceState{Count: f.Count, Users: *f.Users})
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	left := make(map[string]bool, len(f.Left))
	for _, user := range f.Left {
		left[user] = true
	}
	r.mu.users = slices.DeleteFunc(r.mu.users, func(u wire.PresentUser) bool { return left[u.User] })
	at := make(map[string]int, len(r.mu.users))
	for i, u := range r.mu.users {
		at[u.User] = i
	}
	for _, u := range f.Joined {
		if i, known := at[u.User]; known {
			r.mu.users[i] = u
			continue
		}
		if len(r.mu.users) == maxListed {
			continue // more are only counted
		}
		at[u.User] = len(r.mu.users)
		r.mu.users = append(r.mu.users, u)
	}
	r.mu.count = f.Count
	notify(r.changed)
}

// handlePresence applies a presence frame.
func (c *Client) handlePresence(f *wire.Frame) {
	c.mu.Lock()
	room := c.mu.rooms[f.Channel]
	c.mu.Unlock()
	if room != nil {
		room.change(f)
	}
}
