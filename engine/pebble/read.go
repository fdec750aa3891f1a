package pebble

import (
	"context"
	"fmt"

	"github.com/wirepost/wirepost/engine"
)

// pinChannel pins a channel's state and loads it.
func (e *Engine) pinChannel(ctx context.Context, name string) (*slot[channel], error) {
	e.mu.Lock()
	s := e.mu.channels.pinLocked(name)
	loaded := s.loaded
	e.mu.Unlock()
	if loaded {
		return s, nil
	}
	if err := s.fill(ctx, &e.mu.Mutex, e.loadChannel); err != nil {
		e.unpinChannel(s)
		return nil, fmt.Errorf("load %q: %w", name, worded(err))
	}
	return s, nil
}

func (e *Engine) unpinChannel(s *slot[channel]) {
	e.mu.Lock()
	e.mu.channels.unpinLocked(s)
	e.mu.Unlock()
}

func (e *Engine) headOf(s *slot[channel]) head {
	e.mu.Lock()
	defer e.mu.Unlock()
	return s.v.head
}

// view calls look with the live records of a channel after a sequence, oldest
// first, until it says stop. The head it returns tells what there is besides: its
// lost counts the records that are past their age and were met on the way.
//
// The head is taken twice, around the moment that the records are seen at: all
// records up to the first head are there, and whatever is missing because of
// retention is accounted for by the second.
func (e *Engine) view(ctx context.Context, channel string, after uint64, look func(seq uint64, g *glance) (more bool, err error)) (head, error) {
	s, err := e.pinChannel(ctx, channel)
	if err != nil {
		return head{}, err
	}
	defer e.unpinChannel(s)
	h := e.headOf(s)
	if after >= h.seq {
		return h, nil
	}
	it, err := e.db.NewIter(recordRange(channel, max(after, h.floor), h.seq))
	if err != nil {
		return head{}, err
	}
	now := e.headOf(s)
	now.seq = h.seq
	clock := e.nowMilli()
	err = scanIter(ctx, it, func(seq uint64, g *glance) (bool, error) {
		if seq <= now.floor {
			return true, nil
		}
		if gone, loss := g.ended(clock); gone {
			if loss {
				now.lost = max(now.lost, seq)
			}
			return true, nil
		}
		return look(seq, g)
	})
	if e := it.Close(); err == nil {
		err = e
	}
	if err != nil {
		return head{}, fmt.Errorf("read %q after %d: %w", channel, after, worded(err))
	}
	return now, nil
}

// Read implements engine.Log.
func (e *Engine) Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (engine.Page, error) {
	if err := e.enter(ctx); err != nil {
		return engine.Page{}, err
	}
	defer e.leave()
	var page engine.Page
	more, bytes := false, 0
	h, err := e.view(ctx, channel, after, func(seq uint64, g *glance) (bool, error) {
		if n := len(page.Records); n > 0 && (n >= maxRecords || bytes > maxBytes) {
			more = true
			return false, nil
		}
		r, err := g.record(seq)
		if err != nil {
			return false, err
		}
		page.Records = append(page.Records, r)
		bytes += len(r.Data)
		return true, nil
	})
	if err != nil {
		return engine.Page{}, err
	}
	page.Next = max(after, h.seq)
	if more {
		page.Next = page.Records[len(page.Records)-1].Seq
	}
	page.Lost = after < h.lost
	return page, nil
}
