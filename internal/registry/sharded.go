package registry

import (
	"hash/maphash"
	"sync"
)

const shards = 64

// Sharded is a Table for concurrent use. Lookups of different names rarely block each
// other.
type Sharded[T Named] struct {
	seed  maphash.Seed
	shard [shards]Shard[T]
}

// Shard is a part of a Sharded table. Its lock guards the table, and the fields of the
// entries that their owner documents.
type Shard[T Named] struct {
	sync.Mutex
	Table[T]
}

// NewSharded returns an empty table.
func NewSharded[T Named]() *Sharded[T] { return &Sharded[T]{seed: maphash.MakeSeed()} }

// Of returns the shard that holds a name, or would hold it.
func (s *Sharded[T]) Of(name string) *Shard[T] {
	return &s.shard[maphash.String(s.seed, name)%shards]
}

// Find returns the entry with the name, or the zero value.
func (s *Sharded[T]) Find(name string) T {
	sh := s.Of(name)
	sh.Lock()
	defer sh.Unlock()
	return sh.Get(name)
}

// Len returns the number of entries in all shards.
func (s *Sharded[T]) Len() (n int) {
	for i := range s.shard {
		sh := &s.shard[i]
		sh.Lock()
		n += sh.Table.Len()
		sh.Unlock()
	}
	return n
}

// All returns all entries.
func (s *Sharded[T]) All() (all []T) {
	for i := range s.shard {
		sh := &s.shard[i]
		sh.Lock()
		sh.Each(func(x T) { all = append(all, x) })
		sh.Unlock()
	}
	return all
}
