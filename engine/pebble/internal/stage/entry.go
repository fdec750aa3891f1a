package stage

import (
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Append stages one entry. It reads everything it needs before it changes anything, so
// that an entry that fails has no effect.
func (c *Changes) Append(in *engine.Entry, p *cache.Pins, out *engine.Result) {
	w := c.Touch(p.Channel)
	replaced, err := c.findTimers(in)
	if err != nil {
		out.Err = err
		return
	}
	// The time of a record never decreases within a channel. Lifetimes begin now, because
	// heads written by an earlier version may be in the future.
	at := max(c.now, w.Head.Time)
	switch {
	case in.Revokes != 0:
		c.revoke(in, p.Channel, at, out)
	case c.repeats(p.Memo):
		m := p.Memo.V
		*out = engine.Result{Seq: m.Seq, Prev: m.Prev, Time: m.Time, ID: in.ID, Duplicate: true}
		c.endTimer(in)
	case in.Bare:
		*out = engine.Result{Time: c.now, ID: in.ID, Duplicate: replaced != noTimer, Due: max(replaced, 0)}
		c.endTimer(in)
		if !out.Duplicate {
			c.setTimer(in, out, replaced)
		}
	default:
		if p.Key != nil && !w.Head.Keyed {
			w.Head.Keyed, w.Dirty = true, true
		}
		if out.Err = c.makeRoom(p.Channel, 1, in.Limits.MaxMessages); out.Err != nil {
			return
		}
		r := c.addMessage(in, p, at)
		*out = engine.Result{Seq: r.Seq, Prev: r.Prev, Time: r.Time, ID: r.ID}
		c.endTimer(in)
		c.setTimer(in, out, replaced)
		c.limit(p.Channel, in.Limits.MaxMessages)
	}
}

// repeats reports whether the ID of an entry was chosen before, within the idempotency window.
func (c *Changes) repeats(memo *cache.Slot[format.Memo]) bool {
	return memo != nil && memo.V.Seq != 0 && c.now-memo.V.Time < engine.IdempotencyWindow.Milliseconds()
}

// addMessage adds the message of an entry, in place of one with the same key, and notes its ID.
func (c *Changes) addMessage(in *engine.Entry, p *cache.Pins, at int64) *engine.Record {
	r := &engine.Record{
		Time: at, ID: in.ID, Key: in.Key, ContentType: in.ContentType, From: in.From, Trace: in.Trace, Data: in.Data,
	}
	if in.TTL > 0 {
		r.Expires = c.now + ceilMilli(in.TTL)
	}
	ends := format.Span{Expires: r.Expires, Deadline: deadline(c.now, in.Limits.MaxAge)}
	if p.Key != nil {
		c.collapse(p.Channel, p.Key)
	}
	c.Add(p.Channel, r, ends)
	if p.Key != nil {
		c.SetKeyed(p.Key, format.Keyed{Seq: r.Seq, Span: ends})
	}
	if p.Forgets != nil {
		c.forgetMemo(p.Forgets)
	}
	if p.Memo != nil {
		p.Memo.V = format.Memo{Seq: r.Seq, Prev: r.Prev, Time: r.Time}
		c.value = p.Memo.V.Append(c.value[:0])
		c.Set(format.MemoKey(c.key[:0], format.DayOf(c.now), p.Memo.Name), c.value)
	}
	return r
}

// forgetMemo forgets a chosen ID, on the days on which it is looked for.
func (c *Changes) forgetMemo(s *cache.Slot[format.Memo]) {
	if s.V.Seq == 0 {
		return
	}
	s.V = format.Memo{}
	today := format.DayOf(c.now)
	for _, day := range [...]uint32{today, today - 1} {
		c.Delete(format.MemoKey(c.key[:0], day, s.Name))
	}
}

// Add gives a record its sequence and puts it into the batch.
func (c *Changes) Add(s *cache.Slot[cache.Channel], r *engine.Record, ends format.Span) {
	w := s.V.Staged
	r.Prev, r.Seq = w.Head.Seq, w.Head.Seq+1
	ordered := w.Head.Follow(r.Seq, r.Time, ends.Deadline, r.Revokes == 0)
	w.Records = append(w.Records, r)
	if r.Revokes != 0 {
		c.Hole(s, r.Seq)
	}

	op := c.batch.SetDeferred(len(s.Name)+10, format.RecordSize(r, ends.Deadline))
	format.RecordKey(op.Key[:0], s.Name, r.Seq)
	format.AppendRecord(op.Value[:0], r, ends.Deadline)
	_ = op.Finish()
	c.schedule(s, r, ends, ordered)
}

// schedule sets the time for the sweeper's next visit.
//
// Records usually expire by age in the order of the log; then the floor is enough. A record
// that expires out of order, by its time to live or because the maximum age was shortened,
// has an index entry for its expiry.
func (c *Changes) schedule(s *cache.Slot[cache.Channel], r *engine.Record, ends format.Span, ordered bool) {
	if end, _ := ends.End(); end != 0 {
		c.sweepAt(s, roundUp(end, end-c.now))
	}
	if ends.Expires == 0 && ordered {
		return
	}
	w := s.V.Staged
	end, loss := ends.End()
	c.value = append(c.value[:0], 0)
	if loss {
		c.value[0] |= format.EndsAsLoss
	}
	if r.Revokes != 0 {
		c.value[0] |= format.EndsRevocation
	}
	c.value = append(c.value, r.Key...)
	c.Set(format.EndKey(c.key[:0], s.Name, end, r.Seq), c.value)
	if w.Head.Ends == 0 || end < w.Head.Ends {
		w.Head.Ends, w.Dirty = end, true
	}
}

// sweepAt schedules a visit of the sweeper to a channel, unless an earlier one is.
func (c *Changes) sweepAt(s *cache.Slot[cache.Channel], at int64) {
	w := s.V.Staged
	if w.Head.Sweep == 0 || at < w.Head.Sweep {
		c.Set(format.SweepKey(c.key[:0], at, s.Name), nil)
		w.Head.Sweep, w.Dirty = at, true
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
func (c *Changes) collapse(s *cache.Slot[cache.Channel], key *cache.Slot[format.Keyed]) {
	k := key.V
	if k.Seq <= s.V.Staged.Head.Floor {
		return
	}
	if gone, _ := k.Ended(c.now); !gone {
		c.remove(s, k.Seq, k.Span)
	}
}

// remove takes one live message out of the log.
func (c *Changes) remove(s *cache.Slot[cache.Channel], seq uint64, ends format.Span) {
	w := s.V.Staged
	c.Delete(format.RecordKey(c.key[:0], s.Name, seq))
	c.removed(s.Name, seq, seq)
	if end, _ := ends.End(); ends.Expires != 0 || w.Head.Mixed && end != 0 {
		c.Delete(format.EndKey(c.key[:0], s.Name, end, seq)) // if there is one
	}
	w.Head.Live--
	w.Dirty = true
	c.Hole(s, seq)
	c.dropFront(s, seq)
}

func (c *Changes) SetKeyed(key *cache.Slot[format.Keyed], k format.Keyed) {
	key.V = k
	if k.Seq == 0 {
		c.Delete(format.KeyKey(c.key[:0], key.Name))
		return
	}
	c.value = k.Append(c.value[:0])
	c.Set(format.KeyKey(c.key[:0], key.Name), c.value)
}

// forgetKey removes the key of a removed message, unless a later message has the same
// key.
func (c *Changes) forgetKey(channel, key string, seq uint64) error {
	k, err := c.PinKey(format.PairName(channel, key))
	if err == nil && k.V.Seq == seq {
		c.SetKeyed(k, format.Keyed{})
	}
	return err
}

// revoke removes a message and appends the revocation.
func (c *Changes) revoke(in *engine.Entry, s *cache.Slot[cache.Channel], at int64, out *engine.Result) {
	w := s.V.Staged
	var target *engine.Record
	var ends format.Span
	if in.Revokes > w.Head.Floor && in.Revokes <= w.Head.Seq {
		target, ends, out.Err = c.lookup(s.Name, in.Revokes)
	}
	if gone, _ := ends.Ended(c.now); out.Err == nil && (target == nil || gone || target.Revokes != 0) {
		out.Err = engine.ErrNotFound
	}
	if out.Err == nil {
		out.Err = c.makeRoom(s, 0, in.Limits.MaxMessages)
	}
	if out.Err == nil && target.Key != "" {
		out.Err = c.forgetKey(s.Name, target.Key, target.Seq)
	}
	if out.Err != nil {
		return
	}
	c.remove(s, target.Seq, ends)
	r := &engine.Record{Revokes: target.Seq, Time: at, ID: target.ID}
	c.Add(s, r, format.Span{Deadline: deadline(c.now, in.Limits.MaxAge)})
	*out = engine.Result{Seq: r.Seq, Prev: r.Prev, Time: r.Time, ID: r.ID}
	c.limit(s, in.Limits.MaxMessages)
}

// lookup reads a record as of this commit; nil if there is none.
func (c *Changes) lookup(channel string, seq uint64) (r *engine.Record, ends format.Span, err error) {
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
