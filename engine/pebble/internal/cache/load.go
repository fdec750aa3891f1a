package cache

import (
	"context"
	"math"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// loadChannel reads the stored head, follows the records after it, and reads the holes.
func (c *Cache) loadChannel(ctx context.Context, name string) (ch Channel, err error) {
	found, err := format.Get(c.db, format.HeadKey(nil, name), func(value []byte) error {
		ch.Head, err = format.DecodeHead(value)
		return err
	})
	if err != nil || !found {
		return Channel{}, err
	}
	err = format.Scan(ctx, c.db, name, ch.Head.Seq, math.MaxUint64-1, func(seq uint64, g *format.Glance) (bool, error) {
		if g.Prev != ch.Head.Seq {
			return false, engine.ErrDamaged
		}
		ch.Head.Follow(seq, g.Time, g.Deadline, g.Revokes == 0)
		return true, nil
	})
	switch {
	case err != nil:
	case ch.Head.Old && !ch.Head.Dense():
		ch.Holes, err = c.findHoles(ctx, name, &ch.Head)
	case ch.Head.Holey:
		ch.Holes, err = c.loadHoles(name)
	}
	ch.Head.Old = false
	return ch, err
}

// loadHoles reads how many holes the blocks of a channel have.
func (c *Cache) loadHoles(name string) (*Holes, error) {
	it, err := c.db.NewIter(&pdb.IterOptions{
		LowerBound: format.Named(nil, format.HolesPrefix, name), UpperBound: format.Successor(format.Named(nil, format.HolesPrefix, name)),
	})
	if err != nil {
		return nil, err
	}
	h := new(Holes)
	for ok := it.First(); ok; ok = it.Next() {
		list, err := it.ValueAndErr()
		if err != nil {
			break // which Close reports
		}
		h.load(format.RecordSeq(it.Key()), len(list))
	}
	if err := it.Close(); err != nil {
		return nil, err
	}
	if len(h.groups) == 0 {
		return nil, nil
	}
	return h, nil
}

// findHoles looks for the holes of a channel that was stored without them. It reads
// the whole log, once.
func (c *Cache) findHoles(ctx context.Context, name string, head *format.Head) (*Holes, error) {
	h := &Holes{Unstored: make(map[uint64][]byte)}
	seq := head.Floor
	upTo := func(end uint64) {
		for seq++; seq < end; seq++ {
			h.Unstored[format.BlockOf(seq)] = append(h.Unstored[format.BlockOf(seq)], byte(seq))
		}
	}
	err := format.Scan(ctx, c.db, name, head.Floor, head.Seq, func(at uint64, g *format.Glance) (bool, error) {
		upTo(at)
		if g.Revokes != 0 {
			h.Unstored[format.BlockOf(at)] = append(h.Unstored[format.BlockOf(at)], byte(at))
		}
		return true, nil
	})
	upTo(head.Seq + 1)
	for block, list := range h.Unstored {
		h.add(block, len(list))
	}
	head.Holey = true
	return h, err
}

func (c *Cache) loadKeyed(_ context.Context, pair string) (keyed format.Keyed, err error) {
	_, err = format.Get(c.db, format.KeyKey(nil, pair), func(value []byte) error {
		keyed, err = format.DecodeKeyed(value)
		return err
	})
	return keyed, err
}

// loadMemo looks for a remembered ID today and on the day before.
// If a day begins before the commit, nothing is missed: another append with the same ID
// has pinned the same slot.
func (c *Cache) loadMemo(_ context.Context, pair string) (m format.Memo, err error) {
	channel, _, _ := strings.Cut(pair, "\x00")
	today := format.DayOf(c.now(channel))
	for _, day := range [...]uint32{today, today - 1} {
		key := format.MemoKey(make([]byte, 0, 1+4+len(pair)), day, pair)
		found, err := format.Get(c.db, key, func(value []byte) error {
			m, err = format.DecodeMemo(value)
			return err
		})
		if found || err != nil {
			return m, err
		}
	}
	return format.Memo{}, nil
}
