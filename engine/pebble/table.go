package pebble

import (
	"context"
	"sync"
)

// table holds stored values in memory while somebody needs them to stay the same
// for everyone: a slot that is pinned is the one place where the value lives, and
// the committer changes it there. A slot is loaded from the store by whoever pins
// it first, so the committer never reads the store for one. What is not pinned
// may stay, up to keep slots, the least recently used going first.
//
// A table is guarded by the mutex that its Locked methods want held.
type table[V any] struct {
	slots map[string]*slot[V]
	keep  int
	idle  int
	root  slot[V] // of the ring of idle slots, least recently used first
}

// slot is one value of a table. The value belongs to the committer while the
// slot is pinned and loaded; what else guards it is said at its type.
type slot[V any] struct {
	name       string
	pins       int32
	loaded     bool
	loading    chan struct{} // closed when a load under way has ended; nil: none is
	prev, next *slot[V]      // in the ring, when idle
	v          V
}

func (t *table[V]) init(keep int) {
	t.slots = make(map[string]*slot[V])
	t.keep = keep
	t.root.prev, t.root.next = &t.root, &t.root
}

// pinLocked returns the slot of a name, which may still have to be loaded.
func (t *table[V]) pinLocked(name string) *slot[V] {
	s := t.slots[name]
	switch {
	case s == nil:
		s = &slot[V]{name: name}
		t.slots[name] = s
	case s.pins == 0:
		s.prev.next, s.next.prev = s.next, s.prev
		s.prev, s.next = nil, nil
		t.idle--
	}
	s.pins++
	return s
}

func (t *table[V]) unpinLocked(s *slot[V]) {
	if s.pins--; s.pins > 0 {
		return
	}
	if !s.loaded {
		delete(t.slots, s.name)
		return
	}
	s.prev, s.next = t.root.prev, &t.root
	s.prev.next, s.next.prev = s, s
	if t.idle++; t.idle > t.keep {
		t.forgetLocked(t.root.next)
	}
}

// forgetLocked lets go of a slot now, if nobody needs it.
func (t *table[V]) forgetLocked(s *slot[V]) {
	if s.pins > 0 || s.next == nil {
		return
	}
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
	delete(t.slots, s.name)
	t.idle--
}

// fill loads a pinned slot, or waits while another call does that. Should the other
// fail, also because its own context has ended, this one loads. mu, which guards
// the table, is not held.
func (s *slot[V]) fill(ctx context.Context, mu *sync.Mutex, load func(ctx context.Context, name string) (V, error)) error {
	mu.Lock()
	for !s.loaded {
		if wait := s.loading; wait != nil {
			mu.Unlock()
			select {
			case <-wait:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			mu.Lock()
			continue
		}
		s.loading = make(chan struct{})
		mu.Unlock()
		v, err := load(ctx, s.name)
		mu.Lock()
		close(s.loading)
		s.loading = nil
		if err != nil {
			mu.Unlock()
			return err
		}
		s.v, s.loaded = v, true
	}
	mu.Unlock()
	return nil
}
