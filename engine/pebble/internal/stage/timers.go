package stage

import (
	"math"
	"strconv"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Entries set and remove timers. What a commit has staged of them is in Changes.timers, for
// the entries after it: when each timer is due, by its key, or noTimer.

const noTimer = -1

// dueAt returns when a timer is due, as of the changes staged so far, or noTimer.
func (c *Changes) dueAt(channel string, t *engine.Timer) (int64, error) {
	key := format.TimerKey(c.key[:0], t.Kind, channel, t.ID)
	c.key = key
	if due, ok := c.timers[string(key)]; ok {
		return due, nil
	}
	var stored engine.Timer
	found, err := format.Get(c.db, key, func(value []byte) error { return format.DecodeTimer(value, &stored) })
	if err != nil || !found {
		return noTimer, err
	}
	return stored.Due, nil
}

// findTimers finds the timers that an entry is about. It returns ErrNotFound if the one that
// it ends is not there, and when the one is due that it replaces besides, or noTimer.
func (c *Changes) findTimers(in *engine.Entry) (replaced int64, err error) {
	if t := in.Ends; t != nil {
		due, err := c.dueAt(in.Channel, t)
		if err != nil {
			return 0, err
		}
		if due != t.Due {
			return 0, engine.ErrNotFound
		}
	}
	t := in.Sets
	if t == nil || t.ID == "" || in.Ends != nil && in.Ends.Kind == t.Kind && in.Ends.ID == t.ID {
		return noTimer, nil
	}
	return c.dueAt(in.Channel, t)
}

// endTimer removes the timer that an entry ends, which is there.
func (c *Changes) endTimer(in *engine.Entry) {
	t := in.Ends
	if t == nil {
		return
	}
	c.Delete(format.DueKey(c.key[:0], t.Due, t.Kind, in.Channel, t.ID))
	if format.NamedKind(t.Kind) {
		c.Delete(format.NameKey(c.key[:0], t.Kind, t.ID, in.Channel))
	}
	c.Delete(format.TimerKey(c.key[:0], t.Kind, in.Channel, t.ID))
	c.timers[string(c.key)] = noTimer
}

// setTimer sets the timer of an entry that was added. Replaced is when one with the same
// name is due, or noTimer.
func (c *Changes) setTimer(in *engine.Entry, out *engine.Result, replaced int64) {
	if in.Sets == nil {
		return
	}
	t := *in.Sets
	t.Seq = out.Seq
	if t.ID == "" {
		t.ID = strconv.FormatUint(out.Seq, 10)
	}
	if replaced != noTimer {
		c.Delete(format.DueKey(c.key[:0], replaced, t.Kind, in.Channel, t.ID))
	}
	c.SetTimer(in.Channel, &t)
	out.Due = t.Due
}

// SetTimer stages a timer and its index entries.
func (c *Changes) SetTimer(channel string, t *engine.Timer) {
	c.Set(format.DueKey(c.key[:0], t.Due, t.Kind, channel, t.ID), nil)
	if format.NamedKind(t.Kind) {
		c.Set(format.NameKey(c.key[:0], t.Kind, t.ID, channel), nil)
	}
	c.value = format.AppendTimer(c.value[:0], t)
	c.Set(format.TimerKey(c.key[:0], t.Kind, channel, t.ID), c.value)
	c.timers[string(c.key)] = t.Due
}

// firstTimer returns when the first timer is due that was set, or math.MaxInt64.
func (c *Changes) firstTimer() int64 {
	first := int64(math.MaxInt64)
	for _, due := range c.timers {
		if due != noTimer {
			first = min(first, due)
		}
	}
	return first
}
