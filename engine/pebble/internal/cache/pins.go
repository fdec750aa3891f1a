package cache

import (
	"context"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Pins are the slots that an entry needs, so that the committer finds them in memory.
type Pins struct {
	Channel *Slot[Channel]
	Key     *Slot[format.Keyed] // nil: the entry has no key
	Memo    *Slot[format.Memo]  // nil: its ID was not chosen
	Forgets *Slot[format.Memo]  // nil: it forgets no ID
}

// PinLocked pins the slots of entries and reports whether all of them are loaded.
func (c *Cache) PinLocked(entries []engine.Entry, pins []Pins) (loaded bool) {
	loaded = true
	for i := range entries {
		in, p := &entries[i], &pins[i]
		p.Channel = c.Channels.PinLocked(in.Channel)
		loaded = loaded && p.Channel.loaded
		if in.Revokes != 0 {
			loaded = false // so that Load caches the message
			continue
		}
		if in.Key != "" {
			p.Key = c.Keys.PinLocked(format.PairName(in.Channel, in.Key))
			loaded = loaded && p.Key.loaded
		}
		if in.Idempotent {
			p.Memo = c.pinMemoLocked(format.PairName(in.Channel, in.ID), true)
			loaded = loaded && p.Memo.loaded
		}
		if in.Forgets != "" {
			p.Forgets = c.pinMemoLocked(format.PairName(in.Channel, in.Forgets), false)
			loaded = loaded && p.Forgets.loaded
		}
	}
	return loaded
}

// Load fills the slots that were pinned for entries.
func (c *Cache) Load(ctx context.Context, entries []engine.Entry, pins []Pins) error {
	for i := range entries {
		in, p := &entries[i], &pins[i]
		if err := p.Channel.fill(ctx, &c.Mutex, c.loadChannel); err != nil {
			return err
		}
		if in.Revokes != 0 {
			// The committer will read the message: this puts it into Pebble's cache.
			if _, err := format.Get(c.db, format.RecordKey(nil, in.Channel, in.Revokes), format.Ignore); err != nil {
				return err
			}
		}
		if p.Key != nil {
			if err := p.Key.fill(ctx, &c.Mutex, c.loadKeyed); err != nil {
				return err
			}
		}
		for _, m := range [...]*Slot[format.Memo]{p.Memo, p.Forgets} {
			if m == nil {
				continue
			}
			if err := m.fill(ctx, &c.Mutex, c.loadMemo); err != nil {
				return err
			}
		}
	}
	return nil
}

// UnpinLocked ends the pins.
func (c *Cache) UnpinLocked(pins []Pins) {
	for i := range pins {
		p := &pins[i]
		c.Channels.UnpinLocked(p.Channel)
		if p.Key != nil {
			c.Keys.UnpinLocked(p.Key)
		}
		if p.Memo != nil {
			c.Memos.UnpinLocked(p.Memo)
		}
		if p.Forgets != nil {
			c.Memos.UnpinLocked(p.Forgets)
		}
	}
}
