package pebble

import (
	"context"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// auditedTimers compares timers with their indexes. The index by ID comes before them, that by
// time after them.
type auditedTimers struct {
	named map[string]bool // keys of the index by ID without a timer
	due   map[string]bool // keys of the index by time that are to come
}

func (a *audit) timerKey(key, value []byte) error {
	s := &a.timers
	switch key[0] {
	case format.NamePrefix:
		s.named[string(key)] = true
	case format.DuePrefix:
		if !s.due[string(key)] {
			a.report.add("", "the index of timers has %q, which is no timer", key)
		}
		delete(s.due, string(key))
	case format.TimerPrefix:
		return a.timer(key, value)
	}
	return nil
}

func (a *audit) timer(key, value []byte) error {
	t, ok := format.CutTimerKey(key)
	if !ok || format.DecodeTimer(value, &t) != nil {
		a.report.add("", "the timer %q cannot be read", key)
		return nil
	}
	a.timers.due[string(format.DueKey(nil, t.Due, t.Kind, t.Channel, t.ID))] = true
	if format.NamedKind(t.Kind) {
		name := string(format.NameKey(nil, t.Kind, t.ID, t.Channel))
		if !a.timers.named[name] {
			a.report.add("", "timer %q of channel %q is missing in the index by ID", t.ID, t.Channel)
		}
		delete(a.timers.named, name)
	}
	if a.out == nil {
		return nil
	}
	return a.out.timer(&t)
}

// endTimers reports what the indexes have too much or too little.
func (a *audit) endTimers() {
	for key := range a.timers.named {
		a.report.add("", "the index of timers has %q, which is no timer", key)
	}
	for key := range a.timers.due {
		a.report.add("", "the timer %q is missing in the index by time", key)
	}
}

// timer stores a timer with its index entries.
func (w *salvager) timer(t *engine.Timer) error {
	if w.timers = append(w.timers, *t); len(w.timers) < salvageRecords {
		return nil
	}
	return w.flushTimers()
}

func (w *salvager) flushTimers() error {
	err := w.e.committer.Do(context.Background(), committer.Mode{}, nil, func(c *stage.Changes) error {
		for i := range w.timers {
			c.SetTimer(w.timers[i].Channel, &w.timers[i])
		}
		return nil
	})
	w.timers = w.timers[:0]
	return err
}
