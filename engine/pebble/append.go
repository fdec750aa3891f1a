package pebble

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Append implements engine.Log. It pins the slots that the entries need, so that the
// committer finds them in memory, and queues the entries.
func (e *Engine) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	rq := e.requests.Get().(*request)
	rq.entries, rq.sync = entries, true
	results := make([]engine.Result, len(entries))
	rq.results = results

	e.mu.Lock()
	loaded := e.pinLocked(rq)
	if !loaded {
		e.mu.Unlock()
		if err := e.load(ctx, rq); err != nil {
			e.unpin(rq)
			e.free(rq)
			return nil, fmt.Errorf("append: %w: %w", engine.ErrUnavailable, worded(err))
		}
		e.mu.Lock()
	}
	if err := e.await(ctx, rq); err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	return results, nil
}

func (e *Engine) unpin(rq *request) {
	e.mu.Lock()
	e.unpinLocked(rq)
	e.mu.Unlock()
}

// load fills the slots that a request has pinned.
func (e *Engine) load(ctx context.Context, rq *request) error {
	for i := range rq.entries {
		in, p := &rq.entries[i], &rq.pins[i]
		if err := p.channel.fill(ctx, &e.mu.Mutex, e.loadChannel); err != nil {
			return err
		}
		if in.Revokes != 0 {
			// The committer will read the message: this puts it into the cache.
			if _, err := format.Get(e.db, format.RecordKey(nil, in.Channel, in.Revokes), format.Ignore); err != nil {
				return err
			}
		}
		if p.key != nil {
			if err := p.key.fill(ctx, &e.mu.Mutex, e.loadKeyed); err != nil {
				return err
			}
		}
		for _, m := range [...]*slot[format.Memo]{p.memo, p.forgets} {
			if m == nil {
				continue
			}
			if err := m.fill(ctx, &e.mu.Mutex, e.loadMemo); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) loadChannel(ctx context.Context, name string) (c channel, err error) {
	found, err := format.Get(e.db, format.HeadKey(nil, name), func(value []byte) error {
		c.head, err = format.DecodeHead(value)
		return err
	})
	if err != nil || !found {
		return channel{}, err
	}
	err = format.Scan(ctx, e.db, name, c.head.Seq, math.MaxUint64-1, func(seq uint64, g *format.Glance) (bool, error) {
		if g.Prev != c.head.Seq {
			return false, ErrDamaged
		}
		c.head.Follow(seq, g.Time, g.Deadline, g.Revokes == 0)
		return true, nil
	})
	switch {
	case err != nil:
	case c.head.Old && !c.head.Dense():
		c.holes, err = e.findHoles(ctx, name, &c.head)
	case c.head.Holey:
		c.holes, err = e.loadHoles(name)
	}
	c.head.Old = false
	return c, err
}

// loadMemo looks for a remembered ID today and on the day before.
// If a day begins before the commit, nothing is missed: another append with the same ID
// has pinned the same slot.
func (e *Engine) loadMemo(_ context.Context, pair string) (m format.Memo, err error) {
	channel, _, _ := strings.Cut(pair, "\x00")
	today := format.DayOf(e.timeOf(channel))
	for _, day := range [...]uint32{today, today - 1} {
		found, err := format.Get(e.db, format.MemoKey(nil, day, pair), func(value []byte) error {
			m, err = format.DecodeMemo(value)
			return err
		})
		if found || err != nil {
			return m, err
		}
	}
	return format.Memo{}, nil
}
