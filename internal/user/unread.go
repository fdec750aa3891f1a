package user

import (
	"context"

	"github.com/wirepost/wirepost/engine"
)

// Unread returns the user's read mark in a channel and the number of live messages
// after it. The user's state is pinned.
func (us *Users) Unread(ctx context.Context, u *User, channel string) (read uint64, unread int, err error) {
	u.mu.Lock()
	read = u.readLocked(channel)
	u.mu.Unlock()
	unread, err = us.config.LogOf(channel).Count(ctx, channel, read)
	return read, unread, err
}

// UnreadAt is Unread, and also returns the head up to which it counted. If a push
// arrives while it counts, it counts again, a limited number of times.
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
