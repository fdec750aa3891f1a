// Package registry owns tables of entries by name: one that uses little memory, and one
// with a lock per shard.
package registry

import (
	"hash/maphash"
	"math/bits"
)

// Named is a pointer to an entry with a name.
type Named interface {
	comparable
	Key() string
}

// Table holds entries by name, as a map would, in a fifth of the memory: a slot is one
// pointer, since the entry itself holds the name. It is a hash table with linear
// probing. The zero value of T is an empty slot.
type Table[T Named] struct {
	seed  maphash.Seed
	slots []T
	count int
}

const minSlots = 8

// home returns the slot at which the search for a name starts.
func (t *Table[T]) home(name string) int {
	hi, _ := bits.Mul64(maphash.String(t.seed, name), uint64(len(t.slots)))
	return int(hi)
}

func (t *Table[T]) next(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

// Get returns the entry with the name, or the zero value.
func (t *Table[T]) Get(name string) (none T) {
	if t.count == 0 {
		return none
	}
	for i := t.home(name); t.slots[i] != none; i = t.next(i) {
		if t.slots[i].Key() == name {
			return t.slots[i]
		}
	}
	return none
}

// Add adds x, whose name must not be in the table.
func (t *Table[T]) Add(x T) {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
	}
	if 5*(t.count+1) > 4*len(t.slots) {
		t.resize(max(minSlots, len(t.slots)+len(t.slots)/4+1))
	}
	t.insert(x)
	t.count++
}

func (t *Table[T]) insert(x T) {
	var none T
	i := t.home(x.Key())
	for t.slots[i] != none {
		i = t.next(i)
	}
	t.slots[i] = x
}

func (t *Table[T]) resize(n int) {
	var none T
	old := t.slots
	t.slots = make([]T, n)
	for _, x := range old {
		if x != none {
			t.insert(x)
		}
	}
}

// Remove removes x, if it is in the table.
func (t *Table[T]) Remove(x T) {
	var none T
	if t.count == 0 {
		return
	}
	i := t.home(x.Key())
	for t.slots[i] != x {
		if t.slots[i] == none {
			return
		}
		i = t.next(i)
	}
	t.close(i)
	t.count--
	if len(t.slots) > minSlots && 4*t.count < len(t.slots) {
		t.resize(max(minSlots, 2*t.count))
	}
}

// close empties a slot and moves up the entries that were placed further on because the
// slot was taken, so that no search stops too early.
func (t *Table[T]) close(hole int) {
	var none T
	for i := t.next(hole); t.slots[i] != none; i = t.next(i) {
		home := t.home(t.slots[i].Key())
		// Is the hole between home and i, modulo the size?
		if (i-home+len(t.slots))%len(t.slots) >= (i-hole+len(t.slots))%len(t.slots) {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = none
}

// Len returns the number of entries.
func (t *Table[T]) Len() int { return t.count }

// Each calls fn for every entry.
func (t *Table[T]) Each(fn func(T)) {
	var none T
	for _, x := range t.slots {
		if x != none {
			fn(x)
		}
	}
}
