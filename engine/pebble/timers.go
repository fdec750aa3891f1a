package pebble

import (
	"context"
	"fmt"
	"math"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// DueTimers implements engine.Timers.
func (e *Engine) DueTimers(ctx context.Context, at int64, limit int) (timers []engine.Timer, next int64, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer e.leave()
	from, changed := e.cache.Timers.Begin()
	if from > at || limit <= 0 {
		return nil, from, nil
	}
	s := timerScan{prefix: []byte{format.DuePrefix}, start: format.DueFrom(from), cut: format.CutDueKey}
	first, next := int64(math.MaxInt64), int64(math.MaxInt64)
	err = e.scanTimers(ctx, s, func(t *engine.Timer) bool {
		first = min(first, t.Due)
		if t.Due > at || len(timers) == limit {
			next = t.Due
			return false
		}
		return true
	}, &timers)
	if err != nil {
		return nil, 0, err
	}
	e.cache.Timers.End(first, changed)
	return timers, next, nil
}

// ListTimers implements engine.Timers.
func (e *Engine) ListTimers(ctx context.Context, q engine.TimerQuery, limit int) (timers []engine.Timer, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	s := timerScan{cut: format.CutTimerKey}
	switch {
	case q.Channel != "":
		s.prefix = format.TimerKey(nil, q.Kind, q.Channel, q.ID)
		s.start = after(s.prefix, q.AfterID)
	case q.ID != "":
		s.prefix = format.NameKey(nil, q.Kind, q.ID, "")
		s.start, s.cut = after(s.prefix, q.AfterChannel), format.CutNameKey
	default:
		s.prefix = format.TimersOf(q.Kind)
		s.start = s.prefix
		if q.AfterChannel != "" {
			s.start = after(format.TimerKey(nil, q.Kind, q.AfterChannel, ""), q.AfterID)
		}
	}
	err = e.scanTimers(ctx, s, func(t *engine.Timer) bool {
		return len(timers) < limit && (q.ID == "" || t.ID == q.ID)
	}, &timers)
	return timers, err
}

// after is the first key that comes after the one of a name, which no control character is
// in; without a name, it is the prefix.
func after(prefix []byte, name string) []byte {
	if name == "" {
		return prefix
	}
	return append(append(prefix[:len(prefix):len(prefix)], name...), 0)
}

// timerScan is a part of the keys of timers, or of an index of them.
type timerScan struct {
	prefix, start []byte
	cut           func(key []byte) (engine.Timer, bool)
}

// scanTimers appends timers until look returns false. An index has no values, so the timers are
// read from where they are stored.
func (e *Engine) scanTimers(ctx context.Context, s timerScan, look func(*engine.Timer) bool, timers *[]engine.Timer) error {
	db := e.db.NewSnapshot()
	defer db.Close()
	err := format.ScanPrefix(ctx, db, s.prefix, s.start, func(key, value []byte) error {
		t, ok := s.cut(key)
		if !ok {
			return ErrDamaged
		}
		if !look(&t) {
			return format.ErrStop
		}
		if key[0] == format.TimerPrefix {
			*timers = append(*timers, t)
			return format.DecodeTimer(value, &(*timers)[len(*timers)-1])
		}
		found, err := format.Get(db, format.TimerKey(nil, t.Kind, t.Channel, t.ID), func(value []byte) error {
			return format.DecodeTimer(value, &t)
		})
		if found { // else the index is wrong, which Check reports
			*timers = append(*timers, t)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read timers: %w", disk.Worded(err))
	}
	return nil
}
