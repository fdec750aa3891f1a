package cache

import (
	"context"
	"sync"
)

// table caches stored values. While a slot is pinned, it holds the only current copy of
// the value, and the committer changes it there. The first caller that pins a slot loads
// it from the store, so the committer never reads the store for one. Up to keep slots that
// are not pinned stay in memory; the least recently used one is evicted first, to the
// shelf if there is one.
//
// A table is guarded by the mutex that its Locked methods require.
type table[V any] struct {
	slots map[string]*Slot[V]
	keep  int
	idle  int
	root  Slot[V]    // of the ring of idle slots, least recently used first
	shelf shelf[V]   // nil: none
	spare []*Slot[V] // unused, for other names
}

// shelf keeps values that a table has evicted, or some of them.
type shelf[V any] interface {
	put(name string, v *V)
	// take removes a value and reports whether it was there.
	take(name string, v *V) bool
}

// Slot is one value of a table. The value belongs to the committer while the
// slot is pinned and loaded; the value's type documents what else guards it.
type Slot[V any] struct {
	Name       string
	pins       int32
	loaded     bool
	loading    chan struct{} // closed when the current load is done; nil: none
	prev, next *Slot[V]      // in the ring, when idle
	V          V
}

func (t *table[V]) init(keep int, shelf shelf[V]) {
	t.slots = make(map[string]*Slot[V])
	t.keep, t.shelf = keep, shelf
	t.root.prev, t.root.next = &t.root, &t.root
}

// PinLocked returns the slot of a name, which may not be loaded yet.
func (t *table[V]) PinLocked(name string) *Slot[V] {
	s := t.slots[name]
	switch {
	case s == nil:
		s = t.addLocked(name)
	case s.pins == 0:
		t.unlinkLocked(s)
	}
	s.pins++
	return s
}

func (t *table[V]) addLocked(name string) (s *Slot[V]) {
	if n := len(t.spare); n > 0 {
		s, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		s = new(Slot[V])
	}
	s.Name = name
	s.loaded = t.shelf != nil && t.shelf.take(name, &s.V)
	t.slots[name] = s
	return s
}

// UnpinLocked ends a pin. The slot belongs to the table again, which may use it for
// another name.
func (t *table[V]) UnpinLocked(s *Slot[V]) {
	if s.pins--; s.pins > 0 {
		return
	}
	if !s.loaded {
		t.removeLocked(s)
		return
	}
	s.prev, s.next = t.root.prev, &t.root
	s.prev.next, s.next.prev = s, s
	if t.idle++; t.idle > t.keep {
		s = t.root.next
		t.unlinkLocked(s)
		if t.shelf != nil {
			t.shelf.put(s.Name, &s.V)
		}
		t.removeLocked(s)
	}
}

// DropLocked ends a pin like unpinLocked, but if it was the last one, the value does not
// stay in memory.
func (t *table[V]) DropLocked(s *Slot[V]) {
	if s.pins--; s.pins == 0 {
		t.removeLocked(s)
	}
}

func (t *table[V]) unlinkLocked(s *Slot[V]) {
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
	t.idle--
}

// maxSpare is the largest number of unused slots that a table keeps for other names.
const maxSpare = 1024

func (t *table[V]) removeLocked(s *Slot[V]) {
	delete(t.slots, s.Name)
	if len(t.spare) < maxSpare {
		*s = Slot[V]{}
		t.spare = append(t.spare, s)
	}
}

// fill loads a pinned slot, or waits while another call does. If the other call fails,
// also because its context is done, this call loads the slot. mu, which guards the table,
// is not held.
func (s *Slot[V]) fill(ctx context.Context, mu *sync.Mutex, load func(ctx context.Context, name string) (V, error)) error {
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
		v, err := load(ctx, s.Name)
		mu.Lock()
		close(s.loading)
		s.loading = nil
		if err != nil {
			mu.Unlock()
			return err
		}
		s.V, s.loaded = v, true
	}
	mu.Unlock()
	return nil
}
