package conn

import (
	"math/bits"
	"time"
)

// Timer is an entry of its loop's timing wheel, to be embedded in its owner: it needs
// no goroutine and no allocation. It fires up to one tick (100 ms) late and never
// early. The zero value with an Owner is ready; it must not be copied while it is
// armed.
type Timer struct {
	// Owner is notified. It is set once, before the first Arm.
	Owner Expirer

	next, prev *Timer
	at         uint32 // the tick of its slot; 0 if it is not armed
	due        uint32 // the tick to fire at, at or after at
}

// Expirer is notified that its timer fired. The timer is no longer armed then.
type Expirer interface{ Expired() }

const (
	tick = 100 * time.Millisecond
	// wheelSize is the number of slots: 51 s, so that a heartbeat needs no second
	// insertion. Later timers wait in the last slot and are inserted again.
	wheelSize = 512
	// maxTicks bounds a deadline (3.4 years), so that ticks never wrap around.
	maxTicks = 1 << 30
)

// wheel is a hashed timing wheel. Each slot is a list of the timers of exactly one
// tick, because no timer is inserted further ahead than the size of the wheel.
type wheel struct {
	slots [wheelSize]*Timer
	used  [wheelSize / 64]uint64 // a bit for each nonempty slot
	now   uint32                 // the tick up to which all timers have fired
	floor uint32                 // the tick being fired: new timers are for later ones
	armed int
}

// arm inserts a timer for a tick, or moves it there. Moving to a later tick is the
// common case (a deadline that is repeatedly extended), and costs nothing: the timer
// stays in its slot, and is inserted again when that slot comes up.
func (w *wheel) arm(t *Timer, due uint32) {
	due = max(due, w.now+1, w.floor+1)
	if t.at != 0 && due >= t.at {
		t.due = due
		return
	}
	w.disarm(t)
	t.due = due
	w.link(t)
}

func (w *wheel) disarm(t *Timer) {
	if t.at != 0 {
		w.unlink(t)
	}
}

func (w *wheel) link(t *Timer) {
	t.at = min(t.due, w.now+wheelSize-1)
	slot := t.at % wheelSize
	if t.next = w.slots[slot]; t.next != nil {
		t.next.prev = t
	}
	w.slots[slot] = t
	w.used[slot/64] |= 1 << (slot % 64)
	w.armed++
}

func (w *wheel) unlink(t *Timer) {
	slot := t.at % wheelSize
	if t.prev != nil {
		t.prev.next = t.next
	} else if w.slots[slot] = t.next; t.next == nil {
		w.used[slot/64] &^= 1 << (slot % 64)
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev, t.at = nil, nil, 0
	w.armed--
}

// nextTick is the first tick with timers, if any timer is armed.
func (w *wheel) nextTick() uint32 {
	first := (w.now + 1) % wheelSize
	word, skip := first/64, first%64
	if rest := w.used[word] >> skip; rest != 0 {
		return w.now + 1 + uint32(bits.TrailingZeros64(rest))
	}
	ahead := 64 - skip
	for {
		word = (word + 1) % (wheelSize / 64)
		if w.used[word] != 0 {
			return w.now + 1 + ahead + uint32(bits.TrailingZeros64(w.used[word]))
		}
		ahead += 64
	}
}

// advance fires the timers due up to a tick, most at a time, and returns how many. With
// as many there may be more: they are fired by the next call.
func (w *wheel) advance(to uint32, most int) (fired int) {
	for w.armed > 0 && w.now < to {
		next := w.nextTick()
		if next > to {
			break
		}
		w.now, w.floor = next-1, next
		n, empty := w.fire(most - fired)
		if fired += n; !empty {
			return fired
		}
		w.now = next
	}
	w.now = max(w.now, to)
	return fired
}

// fire fires timers of the slot of the tick floor, and reports whether it is empty then.
// Owners may arm and disarm any timer meanwhile; newly armed timers go to a later slot.
func (w *wheel) fire(most int) (fired int, empty bool) {
	slot := w.floor % wheelSize
	for t := w.slots[slot]; t != nil; t = w.slots[slot] {
		if fired == most {
			return fired, false
		}
		w.unlink(t)
		if t.due > w.floor {
			w.link(t)
			continue
		}
		fired++
		t.Owner.Expired()
	}
	return fired, true
}
