package pebble

import (
	"context"
	"encoding/binary"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// clockPause is how often the sweeper stores the time. If the system's clock is late, a run
// may begin by so much before the end of the previous one.
const clockPause = time.Minute

// saveClock stores the time, so that the next run does not begin before it. It is not
// made durable at once: later durable writes follow it in the same log.
func (e *Engine) saveClock(now int64) error {
	if now < e.clockSaved+clockPause.Milliseconds() {
		return nil
	}
	err := e.committer.Do(context.Background(), committer.Mode{}, nil, func(c *stage.Changes) error { // it frees no space
		c.Set([]byte{format.ClockPrefix}, binary.BigEndian.AppendUint64(nil, uint64(now)))
		return nil
	})
	if err == nil {
		e.clockSaved = now
	}
	return err
}

// lastTime is the latest time that the store knows: the one that was stored, or the
// day of the newest remembered ID, in a store of an earlier version, or that of a log which
// the store followed.
func (e *Engine) lastTime() (last time.Time, err error) {
	milli := int64(0)
	_, err = format.Get(e.db, []byte{format.ClockPrefix}, func(value []byte) error {
		if len(value) != 8 {
			return ErrDamaged
		}
		milli = int64(binary.BigEndian.Uint64(value))
		return nil
	})
	if err != nil {
		return last, err
	}
	err = format.ScanPrefix(context.Background(), e.db, []byte{format.ShardPrefix}, []byte{format.ShardPrefix}, func(_, value []byte) error {
		a, err := format.DecodeApplied(value)
		milli = max(milli, a.Time)
		return err
	})
	if err != nil {
		return last, err
	}
	it, err := e.db.NewIter(&pdb.IterOptions{LowerBound: []byte{format.MemoPrefix}, UpperBound: []byte{format.MemoPrefix + 1}})
	if err != nil {
		return last, err
	}
	if it.Last() && len(it.Key()) > 5 {
		milli = max(milli, int64(binary.BigEndian.Uint32(it.Key()[1:]))*format.Day)
	}
	return time.UnixMilli(milli), it.Close()
}
