package user

import (
	"context"
	"slices"

	"github.com/wirepost/wirepost/internal/names"
)

// MakeKnown makes the user known. The user's state is pinned. The read mark of All
// starts at the current head of All.
func (us *Users) MakeKnown(ctx context.Context, u *User) error {
	if !us.Unknown(u) {
		return nil
	}
	bounds, err := us.config.LogOf(names.All).Bounds(ctx, names.All)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.markLocked(names.All) == nil {
		u.addMarkLocked(names.All, bounds.Head)
		u.mu.startMade = true
	}
	return nil
}

// Unknown reports whether MakeKnown makes the user known.
func (us *Users) Unknown(u *User) bool { return !us.config.AllInMemory && !u.Known() }

// Known reports whether the store knows the user.
func (u *User) Known() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.markLocked(names.All) != nil
}

// Join makes the mark of a membership, and the cursors of the known devices, start at
// the channel's head. It reports whether that changed anything.
func (u *User) Join(channel string, head uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(channel)
	switch {
	case m == nil:
		m = u.addMarkLocked(channel, head)
	case m.member:
		return false
	}
	m.member, m.joined, m.dirty = true, true, true
	m.read, m.since = max(m.read, head), head
	for _, d := range u.mu.devices {
		d.advance(channel, head)
	}
	return true
}

// Leave removes a membership, and reports whether it existed.
func (u *User) Leave(channel string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.mu.marks, func(m mark) bool { return m.channel == channel && m.member })
	if i < 0 {
		return false
	}
	u.mu.marks = slices.Delete(u.mu.marks, i, i+1)
	for _, d := range u.mu.devices {
		d.cursors = slices.DeleteFunc(d.cursors, func(c cursor) bool { return c.channel == channel })
	}
	r := u.removedLocked()
	r.left = append(r.left, channel)
	return true
}

// IsMember reports whether the user has a stored membership.
func (u *User) IsMember(channel string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(channel)
	return m != nil && m.member
}

// Start returns the position at which a device's subscription to a channel with stored
// cursors begins: its cursor or, the first time, the read mark, which is then stored as
// its cursor. A new mark starts at the head; that of an inbox at 0.
func (u *User) Start(device, channel string, head uint64) uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(device)
	if d == nil {
		return head // forgotten meanwhile, to make room for another device
	}
	if p := d.find(channel); p != nil {
		return p.seq
	}
	m := u.markLocked(channel)
	switch {
	case m != nil:
	case channel == u.inbox:
		m = &mark{}
	default:
		m = u.addMarkLocked(channel, head)
	}
	d.advance(channel, m.read)
	u.mu.startMade = true
	return m.read
}
