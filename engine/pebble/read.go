package pebble

import (
	"context"
	"fmt"
	"math"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// pinChannel pins a channel's state and loads it.
func (e *Engine) pinChannel(ctx context.Context, name string) (*cache.Slot[cache.Channel], error) {
	s, err := e.cache.PinChannel(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("load %q: %w", name, disk.Worded(err))
	}
	return s, nil
}

// reach is the part of a channel to read, and the direction.
type reach struct {
	after, through uint64 // sequences
	backward       bool   // newest first
}

// view calls look with the live records of a part of a channel until look returns false.
// The lost sequence of the returned head includes records that it met and that have expired
// by age.
//
// The head is read before and after the records' snapshot: all records up to the first head
// are in the snapshot, and the second head accounts for records missing because of
// retention.
func (e *Engine) view(ctx context.Context, channel string, of reach, look func(seq uint64, g *format.Glance) (more bool, err error)) (format.Head, error) {
	s, err := e.pinChannel(ctx, channel)
	if err != nil {
		return format.Head{}, err
	}
	defer e.cache.UnpinChannel(s)
	h := e.cache.HeadOf(s)
	from, to := max(of.after, h.Floor), min(of.through, h.Seq)
	if from >= to {
		return h, nil
	}
	it, err := e.db.NewIter(format.RecordRange(channel, from, to))
	if err != nil {
		return format.Head{}, err
	}
	now := e.cache.HeadOf(s)
	now.Seq = h.Seq
	clock := e.timeOf(channel)
	err = format.ScanIter(ctx, it, of.backward, func(seq uint64, g *format.Glance) (bool, error) {
		if seq <= now.Floor {
			return !of.backward, nil
		}
		if gone, loss := g.Ended(clock); gone {
			if loss {
				now.Lost = max(now.Lost, seq)
			}
			// If records expire in the order of the log, all before have expired, too.
			return !(of.backward && loss && !now.Mixed), nil
		}
		return look(seq, g)
	})
	if e := it.Close(); err == nil {
		err = e
	}
	if err != nil {
		return format.Head{}, fmt.Errorf("read %q after %d up to %d: %w", channel, from, to, disk.Worded(err))
	}
	return now, nil
}

// Read implements engine.Log.
func (e *Engine) Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (engine.Page, error) {
	page, h, more, err := e.page(ctx, channel, reach{after: after, through: math.MaxUint64}, maxRecords, maxBytes)
	if err != nil {
		return engine.Page{}, err
	}
	if !more {
		page.Next = max(after, h.Seq)
	}
	page.Lost = after < h.Lost
	return page, nil
}

// ReadBefore implements engine.Log.
func (e *Engine) ReadBefore(ctx context.Context, channel string, before uint64, maxRecords, maxBytes int) (engine.Page, error) {
	page, h, more, err := e.page(ctx, channel, reach{through: max(before, 1) - 1, backward: true}, maxRecords, maxBytes)
	if err != nil {
		return engine.Page{}, err
	}
	if !more {
		page.Next = 0
	}
	page.Lost = h.Lost > 0 && h.Lost >= page.Next
	return page, nil
}

// page reads the records of a page. Next is the sequence of the last one, and more
// says that there is another.
func (e *Engine) page(ctx context.Context, channel string, of reach, maxRecords, maxBytes int) (page engine.Page, h format.Head, more bool, err error) {
	if err := e.enter(ctx); err != nil {
		return engine.Page{}, format.Head{}, false, err
	}
	defer e.leave()
	bytes := 0
	h, err = e.view(ctx, channel, of, func(seq uint64, g *format.Glance) (bool, error) {
		if n := len(page.Records); n > 0 && (n >= maxRecords || bytes > maxBytes) {
			more = true
			return false, nil
		}
		r, err := g.Record(seq)
		if err != nil {
			return false, err
		}
		page.Records, page.Next = append(page.Records, r), seq
		bytes += len(r.Data)
		return true, nil
	})
	return page, h, more, err
}
