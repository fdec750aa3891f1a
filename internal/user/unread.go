package user

import (
	"context"

	"github.com/wirepost/wirepost/engine"
)

// Unread returns the user's read mark in a channel, and counts the live messages after
// it. The state is pinned.
func (us *Users) Unread(ctx context.Context, u *User, channel string) (read uint64, unread int, err error) {
	u.mu.Lock()
	read = u.readLocked(channel)
	u.mu.Unlock()
	unread, err = us.config.LogOf(channel).Count(ctx, channel, read)
	return read, unread, err
}

// UnreadAt is Unread with the head that it counts up to: a push that comes while it
// counts makes it count again, a few times.
func (us *Users) UnreadAt(ctx context.Context, u *User, channel string) (head, read uint64, unread int, err error) {
	log := us.config.LogOf(channel)
	for range 3 {
		var before, after engine.Bounds
		if before, err = log.Bounds(ctx, channel); err == nil {
			read, unread, err = us.Unread(ctx, u, channel)
		}
		if err == nil {
			after, err = log.Bounds(ctx, channel)
		}
		if err != nil || before.Head == after.Head {
			return after.Head, read, unread, err
		}
		head = before.Head
	}
	return head, read, unread, nil
}
