package pebble

import (
	"context"
	"encoding/binary"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
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
	err := e.do(context.Background(), false, false, nil, func(c *commit) error { // it frees no space
		c.set([]byte{clockPrefix}, binary.BigEndian.AppendUint64(nil, uint64(now)))
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
	_, err = get(e.db, []byte{clockPrefix}, func(value []byte) error {
		if len(value) != 8 {
			return ErrDamaged
		}
		milli = int64(binary.BigEndian.Uint64(value))
		return nil
	})
	if err != nil {
		return last, err
	}
	err = scanPrefix(context.Background(), e.db, []byte{shardPrefix}, []byte{shardPrefix}, func(_, value []byte) error {
		a, err := decodeApplied(value)
		milli = max(milli, a.time)
		return err
	})
	if err != nil {
		return last, err
	}
	it, err := e.db.NewIter(&pdb.IterOptions{LowerBound: []byte{memoPrefix}, UpperBound: []byte{memoPrefix + 1}})
	if err != nil {
		return last, err
	}
	if it.Last() && len(it.Key()) > 5 {
		milli = max(milli, int64(binary.BigEndian.Uint32(it.Key()[1:]))*day)
	}
	return time.UnixMilli(milli), it.Close()
}
