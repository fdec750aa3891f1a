// Package cache keeps in memory what appends and readers need of a store: the state of
// channels, keys and remembered IDs. A caller pins a slot and loads it, and while it is
// pinned the committer changes it there without reading the store.
package cache

import (
	"context"
	"sync"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Cache is the state of channels, keys and remembered IDs that is in memory. Its mutex
// guards the tables, and what the fields of their values document. It is never held during
// I/O.
type Cache struct {
	sync.Mutex
	Channels table[Channel]
	Keys     table[format.Keyed]
	Memos    table[format.Memo]
	Timers   Timers
	ids      *ids // nil: not used

	// static
	db  pdb.Reader
	now func(channel string) int64
}

// unpackedShare is which part of the idle channels in memory, the most recently used ones,
// stay in slots: pinning one is a little cheaper than unpacking it.
const unpackedShare = 512

// New makes a cache of a store that keeps a number of idle channels. The function now
// returns the time by which the records of a channel expire.
func New(db pdb.Reader, channels int, now func(channel string) int64) *Cache {
	c := &Cache{db: db, now: now}
	recent := channels / unpackedShare
	c.Channels.init(recent, newPacked(channels-recent))
	c.Keys.init(0, nil)
	c.Memos.init(0, nil)
	return c
}

// PinChannel pins a channel's state and loads it.
func (c *Cache) PinChannel(ctx context.Context, name string) (*Slot[Channel], error) {
	c.Lock()
	s := c.Channels.PinLocked(name)
	loaded := s.loaded
	c.Unlock()
	if loaded {
		return s, nil
	}
	if err := s.fill(ctx, &c.Mutex, c.loadChannel); err != nil {
		c.UnpinChannel(s)
		return nil, err
	}
	return s, nil
}

// UnpinChannel ends a pin.
func (c *Cache) UnpinChannel(s *Slot[Channel]) {
	c.Lock()
	c.Channels.UnpinLocked(s)
	c.Unlock()
}

// HeadOf returns the head of a pinned channel.
func (c *Cache) HeadOf(s *Slot[Channel]) format.Head {
	c.Lock()
	defer c.Unlock()
	return s.V.Head
}

// PinKey pins a key for the committer and loads it.
func (c *Cache) PinKey(pair string) (*Slot[format.Keyed], error) {
	c.Lock()
	s := c.Keys.PinLocked(pair)
	c.Unlock()
	if s.loaded {
		return s, nil
	}
	return s, s.fill(context.Background(), &c.Mutex, c.loadKeyed)
}
