package pebble

import (
	"context"
	"sync"
)

// table caches stored values. While a slot is pinned, it holds the only current copy of
// the value, and the committer changes it there. The first caller that pins a slot loads
// it from the store, so the committer never reads the store for one. Up to keep slots that
// are not pinned stay in memory; the least recently used one is evicted first.
//
// A table is guarded by the mutex that its Locked methods require.
type table[V any] struct {
	slots map[string]*slot[V]
	keep  int
	idle  int
	root  slot[V] // of the ring of idle slots, least recently used first
}

// slot is one value of a table. The value belongs to the committer while the
// slot is pinned and loaded; the value's type documents what else guards it.
type slot[V any] struct {
	name       string
	pins       int32
	loaded     bool
	loading    chan struct{} // closed when the current load is done; nil: none
	prev, next *slot[V]      // in the ring, when idle
	v          V
}

func (t *table[V]) init(keep int) {
	t.slots = make(map[string]*slot[V])
	t.keep = keep
	t.root.prev, t.root.next = &t.root, &t.root
}

// pinLocked returns the slot of a name, which may not be loaded yet.
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

// forgetLocked evicts a slot, unless it is pinned.
func (t *table[V]) forgetLocked(s *slot[V]) {
	if s.pins > 0 || s.next == nil {
		return
	}
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
	delete(t.slots, s.name)
	t.idle--
}

// fill loads a pinned slot, or waits while another call does. If the other call fails,
// also because its context is done, this call loads the slot. mu, which guards the table,
// is not held.
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
