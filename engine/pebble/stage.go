package pebble

import (
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// append stages one entry. It reads everything it needs before it changes anything, so
// that an entry that fails has no effect.
func (c *commit) append(in *engine.Entry, p *pins, out *engine.Result) {
	w := c.touch(p.channel)
	// The time of a record never decreases within a channel. Lifetimes begin now, because
	// heads written by an earlier version may be in the future.
	at := max(c.now, w.head.Time)
	if in.Revokes != 0 {
		c.revoke(in, p.channel, at, out)
		return
	}
	if p.memo != nil && p.memo.v.Seq != 0 && c.now-p.memo.v.Time < engine.IdempotencyWindow.Milliseconds() {
		m := p.memo.v
		*out = engine.Result{Seq: m.Seq, Prev: m.Prev, Time: m.Time, ID: in.ID, Duplicate: true}
		return
	}
	if p.key != nil && !w.head.Keyed {
		w.head.Keyed, w.dirty = true, true
	}
	if err := c.makeRoom(p.channel, 1, in.Limits.MaxMessages); err != nil {
		out.Err = err
		return
	}
	r := &engine.Record{
		Time: at, ID: in.ID, Key: in.Key, ContentType: in.ContentType, From: in.From, Data: in.Data,
	}
	if in.TTL > 0 {
		r.Expires = c.now + ceilMilli(in.TTL)
	}
	ends := format.Span{Expires: r.Expires, Deadline: deadline(c.now, in.Limits.MaxAge)}
	if p.key != nil {
		c.collapse(p.channel, p.key)
	}
	c.add(p.channel, r, ends)
	if p.key != nil {
		c.setKeyed(p.key, format.Keyed{Seq: r.Seq, Span: ends})
	}
	if p.forgets != nil {
		c.forgetMemo(p.forgets)
	}
	if p.memo != nil {
		p.memo.v = format.Memo{Seq: r.Seq, Prev: r.Prev, Time: r.Time}
		c.value = p.memo.v.Append(c.value[:0])
		c.set(format.MemoKey(c.key[:0], format.DayOf(c.now), p.memo.name), c.value)
	}
	*out = engine.Result{Seq: r.Seq, Prev: r.Prev, Time: r.Time, ID: r.ID}
	c.limit(p.channel, in.Limits.MaxMessages)
}

// forgetMemo forgets a chosen ID, on the days on which it is looked for.
func (c *commit) forgetMemo(s *slot[format.Memo]) {
	if s.v.Seq == 0 {
		return
	}
	s.v = format.Memo{}
	today := format.DayOf(c.now)
	for _, day := range [...]uint32{today, today - 1} {
		c.delete(format.MemoKey(c.key[:0], day, s.name))
	}
}

// add gives a record its sequence and puts it into the batch.
func (c *commit) add(s *slot[channel], r *engine.Record, ends format.Span) {
	w := s.v.staged
	r.Prev, r.Seq = w.head.Seq, w.head.Seq+1
	ordered := w.head.Follow(r.Seq, r.Time, ends.Deadline, r.Revokes == 0)
	w.records = append(w.records, r)
	if r.Revokes != 0 {
		c.hole(s, r.Seq)
	}

	op := c.batch.SetDeferred(len(s.name)+10, format.RecordSize(r, ends.Deadline))
	format.RecordKey(op.Key[:0], s.name, r.Seq)
	format.AppendRecord(op.Value[:0], r, ends.Deadline)
	_ = op.Finish()
	c.schedule(s, r, ends, ordered)
}

// schedule sets the time for the sweeper's next visit.
//
// Records usually expire by age in the order of the log; then the floor is enough. A record
// that expires out of order, by its time to live or because the maximum age was shortened,
// has an index entry for its expiry.
func (c *commit) schedule(s *slot[channel], r *engine.Record, ends format.Span, ordered bool) {
	if end, _ := ends.End(); end != 0 {
		c.sweepAt(s, roundUp(end, end-c.now))
	}
	if ends.Expires == 0 && ordered {
		return
	}
	w := s.v.staged
	end, loss := ends.End()
	c.value = append(c.value[:0], 0)
	if loss {
		c.value[0] |= format.EndsAsLoss
	}
	if r.Revokes != 0 {
		c.value[0] |= format.EndsRevocation
	}
	c.value = append(c.value, r.Key...)
	c.set(format.EndKey(c.key[:0], s.name, end, r.Seq), c.value)
	if w.head.Ends == 0 || end < w.head.Ends {
		w.head.Ends, w.dirty = end, true
	}
}

// sweepAt schedules a visit of the sweeper to a channel, unless an earlier one is.
func (c *commit) sweepAt(s *slot[channel], at int64) {
	w := s.v.staged
	if w.head.Sweep == 0 || at < w.head.Sweep {
		c.set(format.SweepKey(c.key[:0], at, s.name), nil)
		w.head.Sweep, w.dirty = at, true
	}
}

// roundUp returns the first time after an expiry that is a multiple of 1/32 of the
// lifetime, of at least a second and at most a day, so that the sweeper has few visits
// with much to remove.
func roundUp(end, lifetime int64) int64 {
	step := min(max(lifetime/32, 1000), format.Day)
	return (end/step + 1) * step
}

// deadline returns the expiry by a maximum age; 0 for none.
func deadline(at int64, maxAge time.Duration) int64 {
	if maxAge <= 0 {
		return 0
	}
	return at + ceilMilli(maxAge)
}

// ceilMilli rounds up, so that the shortest time to live is one millisecond.
func ceilMilli(d time.Duration) int64 {
	return int64(d/time.Millisecond) + min(1, int64(d%time.Millisecond))
}

// collapse removes the live message with a key, if there is one.
func (c *commit) collapse(s *slot[channel], key *slot[format.Keyed]) {
	k := key.v
	if k.Seq <= s.v.staged.head.Floor {
		return
	}
	if gone, _ := k.Ended(c.now); !gone {
		c.remove(s, k.Seq, k.Span)
	}
}

// remove takes one live message out of the log.
func (c *commit) remove(s *slot[channel], seq uint64, ends format.Span) {
	w := s.v.staged
	c.delete(format.RecordKey(c.key[:0], s.name, seq))
	c.removed(s.name, seq, seq)
	if end, _ := ends.End(); ends.Expires != 0 || w.head.Mixed && end != 0 {
		c.delete(format.EndKey(c.key[:0], s.name, end, seq)) // if there is one
	}
	w.head.Live--
	w.dirty = true
	c.hole(s, seq)
	c.dropFront(s, seq)
}

func (c *commit) setKeyed(key *slot[format.Keyed], k format.Keyed) {
	key.v = k
	if k.Seq == 0 {
		c.delete(format.KeyKey(c.key[:0], key.name))
		return
	}
	c.value = k.Append(c.value[:0])
	c.set(format.KeyKey(c.key[:0], key.name), c.value)
}

// forgetKey removes the key of a removed message, unless a later message has the same
// key.
func (c *commit) forgetKey(channel, key string, seq uint64) error {
	k, err := c.pinKey(format.PairName(channel, key))
	if err == nil && k.v.Seq == seq {
		c.setKeyed(k, format.Keyed{})
	}
	return err
}

// revoke removes a message and appends the revocation.
func (c *commit) revoke(in *engine.Entry, s *slot[channel], at int64, out *engine.Result) {
	w := s.v.staged
	var target *engine.Record
	var ends format.Span
	if in.Revokes > w.head.Floor && in.Revokes <= w.head.Seq {
		target, ends, out.Err = c.lookup(s.name, in.Revokes)
	}
	if gone, _ := ends.Ended(c.now); out.Err == nil && (target == nil || gone || target.Revokes != 0) {
		out.Err = engine.ErrNotFound
	}
	if out.Err == nil {
		out.Err = c.makeRoom(s, 0, in.Limits.MaxMessages)
	}
	if out.Err == nil && target.Key != "" {
		out.Err = c.forgetKey(s.name, target.Key, target.Seq)
	}
	if out.Err != nil {
		return
	}
	c.remove(s, target.Seq, ends)
	r := &engine.Record{Revokes: target.Seq, Time: at, ID: target.ID}
	c.add(s, r, format.Span{Deadline: deadline(c.now, in.Limits.MaxAge)})
	*out = engine.Result{Seq: r.Seq, Prev: r.Prev, Time: r.Time, ID: r.ID}
	c.limit(s, in.Limits.MaxMessages)
}

// lookup reads a record as of this commit; nil if there is none.
func (c *commit) lookup(channel string, seq uint64) (r *engine.Record, ends format.Span, err error) {
	from, err := c.reader()
	if err != nil {
		return nil, format.Span{}, err
	}
	_, err = format.Get(from, format.RecordKey(nil, channel, seq), func(value []byte) error {
		g, err := format.GlanceAt(seq, value)
		if err != nil {
			return err
		}
		ends = g.Span
		r, err = g.Record(seq)
		return err
	})
	return r, ends, err
}
