package memory

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/wirepost/wirepost/engine"
)

// timers are all timers, guarded by Engine.mu.
type timers struct {
	named map[timerName]*timer
	due   timersByTime
	bytes int64
}

type timerName struct {
	channel string
	kind    engine.TimerKind
	id      string
}

type timer struct {
	engine.Timer
	heap int // index in timersByTime
}

const timerBytes = int64(unsafe.Sizeof(timer{})+unsafe.Sizeof(timerName{})) + 64 // and its map entry

func (t *timer) size() int64 { return timerBytes + int64(len(t.Channel)+len(t.ID)+len(t.Data)) }

func (t *timer) name() timerName { return timerName{t.Channel, t.Kind, t.ID} }

// checkTimersLocked returns ErrNotFound if the timer that an entry ends is not there, and
// ErrFull if the one that it sets would leave too little of the budget to messages, because
// timers are never removed to make room. One that ends another always has room, so that what
// is stored can go on.
func (e *Engine) checkTimersLocked(in *engine.Entry) error {
	if in.Ends != nil {
		t := e.mu.timers.named[timerName{in.Channel, in.Ends.Kind, in.Ends.ID}]
		if t == nil || t.Due != in.Ends.Due {
			return engine.ErrNotFound
		}
	}
	if in.Sets != nil && in.Ends == nil && e.mu.timers.bytes+timerBytes+int64(len(in.Sets.Data)) > e.maxBytes/2 {
		return engine.ErrFull
	}
	return nil
}

// bareLocked adds an entry without a record. What it ends is there.
func (e *Engine) bareLocked(now int64, in *engine.Entry, out *engine.Result) {
	*out = engine.Result{Time: now, ID: in.ID}
	e.endTimerLocked(in)
	if in.Sets != nil {
		if there := e.mu.timers.named[timerName{in.Channel, in.Sets.Kind, in.Sets.ID}]; there != nil {
			out.Duplicate, out.Due = true, there.Due
			return
		}
	}
	e.setTimerLocked(in, out)
}

// endTimerLocked removes the timer that an entry ends, which is there.
func (e *Engine) endTimerLocked(in *engine.Entry) {
	if in.Ends != nil {
		e.removeTimerLocked(e.mu.timers.named[timerName{in.Channel, in.Ends.Kind, in.Ends.ID}])
	}
}

func (e *Engine) removeTimerLocked(t *timer) {
	delete(e.mu.timers.named, t.name())
	heap.Remove(&e.mu.timers.due, t.heap)
	e.mu.timers.bytes -= t.size()
	e.mu.bytes -= t.size()
}

// setTimerLocked sets the timer of an entry that was added.
func (e *Engine) setTimerLocked(in *engine.Entry, out *engine.Result) {
	if in.Sets == nil {
		return
	}
	t := &timer{Timer: *in.Sets}
	t.Channel, t.Seq = in.Channel, out.Seq
	if t.ID == "" {
		t.ID = strconv.FormatUint(out.Seq, 10)
	}
	if replaced := e.mu.timers.named[t.name()]; replaced != nil {
		e.removeTimerLocked(replaced)
	}
	e.mu.timers.named[t.name()] = t
	heap.Push(&e.mu.timers.due, t)
	e.mu.timers.bytes += t.size()
	e.mu.bytes += t.size()
	out.Due = t.Due
}

// DueTimers implements engine.Timers.
func (e *Engine) DueTimers(ctx context.Context, at int64, limit int) (all []engine.Timer, next int64, err error) {
	_, err = e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return nil, 0, err
	}
	due := &e.mu.timers.due
	var taken []*timer
	for len(*due) > 0 && (*due)[0].Due <= at && len(taken) < limit {
		taken = append(taken, heap.Pop(due).(*timer))
	}
	next = math.MaxInt64
	if len(*due) > 0 {
		next = (*due)[0].Due
	}
	for _, t := range taken {
		heap.Push(due, t)
		all = append(all, t.Timer)
	}
	return all, next, nil
}

// ListTimers implements engine.Timers.
func (e *Engine) ListTimers(ctx context.Context, q engine.TimerQuery, limit int) ([]engine.Timer, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	limit = max(limit, 0)
	var first []engine.Timer
	cut := func() {
		slices.SortFunc(first, func(a, b engine.Timer) int {
			return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.ID, b.ID))
		})
		first = first[:min(len(first), limit)]
	}
	for _, t := range e.mu.timers.named {
		if !selects(&q, &t.Timer) {
			continue
		}
		if first = append(first, t.Timer); len(first) >= 2*limit+64 {
			cut()
		}
	}
	cut()
	return first, nil
}

func selects(q *engine.TimerQuery, t *engine.Timer) bool {
	switch {
	case t.Kind != q.Kind, q.Channel != "" && t.Channel != q.Channel, q.ID != "" && t.ID != q.ID:
		return false
	case q.Channel != "":
		return t.ID > q.AfterID
	case q.ID != "":
		return t.Channel > q.AfterChannel
	}
	return t.Channel > q.AfterChannel || t.Channel == q.AfterChannel && t.ID > q.AfterID
}

// timersByTime is a heap of timers; the next one that is due is first.
type timersByTime []*timer

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (d timersByTime) Len() int { return len(d) }

// Less orders as an index would, so that the order is always the same.
func (d timersByTime) Less(i, j int) bool {
	a, b := d[i], d[j]
	return cmp.Or(
		cmp.Compare(a.Due, b.Due), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.ID, b.ID),
	) < 0
}

func (d timersByTime) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heap, d[j].heap = i, j
}

func (d *timersByTime) Push(x any) {
	t := x.(*timer)
	t.heap = len(*d)
	*d = append(*d, t)
}

func (d *timersByTime) Pop() any {
	last := len(*d) - 1
	t := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return t
}
