package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// sweepBatch is how many entries of the sweep index are processed at once.
const sweepBatch = 256

// sweeps is the sweeper's goroutine. Readers do not see records after their expiry; the
// sweeper removes them a little later.
func (e *Engine) sweeps(every time.Duration) {
	defer close(e.swept)
	if err := e.cache.LearnIDs(e.stopSweeper); err != nil {
		e.log.Warn("the remembered IDs could not be read", "error", disk.Plain(err))
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-e.stopSweeper:
			return
		case <-tick.C:
		}
		if err := e.sweep(); err != nil && !errors.Is(err, engine.ErrUnavailable) {
			e.log.Warn("sweep failed", "error", disk.Plain(err))
		}
	}
}

// sweep removes all expired records.
func (e *Engine) sweep() error {
	now := e.nowMilli()
	if err := e.saveClock(now); err != nil && !errors.Is(err, engine.ErrFull) {
		return err
	}
	if err := e.forgetMemos(format.DayOf(now)); err != nil {
		return err
	}
	for {
		due, err := e.dueSweeps(now, nil)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := e.sweepDue(context.Background(), due, 0); err != nil {
			return err
		}
		select {
		case <-e.stopSweeper:
			return nil
		default:
		}
	}
}

// sweepDue sweeps channels by their keys in the sweep index, and removes these. A time of 0
// means that of each commit.
func (e *Engine) sweepDue(ctx context.Context, due [][]byte, now int64) error {
	for _, key := range due {
		if err := e.sweepChannel(ctx, string(key[9:]), now); err != nil {
			return err
		}
	}
	return e.committer.Do(ctx, committer.Mode{Frees: true}, nil, func(c *stage.Changes) error {
		for _, key := range due {
			c.Delete(key)
		}
		return nil
	})
}

// dueSweeps reads the sweep index up to a time, of the channels that are selected, or all.
func (e *Engine) dueSweeps(now int64, selected func(channel string) bool) (due [][]byte, err error) {
	it, err := e.db.NewIter(&pdb.IterOptions{
		LowerBound: []byte{format.SweepPrefix},
		UpperBound: format.SweepKey(nil, now+1, ""),
	})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok && len(due) < sweepBatch; ok = it.Next() {
		if selected == nil || selected(string(it.Key()[9:])) {
			due = append(due, append([]byte(nil), it.Key()...))
		}
	}
	return due, it.Close()
}

// sweepChannel removes the expired records of a channel in chunks, so that appends are
// committed in between.
func (e *Engine) sweepChannel(ctx context.Context, name string, now int64) error {
	s, err := e.pinChannel(ctx, name)
	if err != nil {
		return err
	}
	defer e.cache.UnpinChannel(s)
	return e.sweepPinned(ctx, s, now)
}

func (e *Engine) sweepPinned(ctx context.Context, s *cache.Slot[cache.Channel], now int64) error {
	for more := true; more; {
		err := e.committer.Do(ctx, committer.Mode{Frees: true}, s, func(c *stage.Changes) (err error) {
			c.At(now)
			more, err = c.Sweep(s)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetMemos removes the remembered IDs of past days. Only the sweeper calls it.
func (e *Engine) forgetMemos(today uint32) error {
	if today == e.memoDay || today == 0 {
		return nil
	}
	err := e.committer.Do(context.Background(), committer.Mode{Frees: true}, nil, func(c *stage.Changes) error {
		// Yesterday's IDs are kept until the end of today.
		c.DeleteRange([]byte{format.MemoPrefix}, binary.BigEndian.AppendUint32([]byte{format.MemoPrefix}, today-1))
		return nil
	})
	if err == nil {
		e.memoDay = today
	}
	return err
}
