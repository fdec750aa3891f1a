package peers

import (
	"encoding/binary"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/internal/registry"
)

// buckets is the number of parts of a table. It is part of what nodes tell each other.
const buckets = 64

// table has the number of connections of each node in each channel. The entries of a node
// in one bucket have a sum, by which two nodes find out whether they have the same.
type table [buckets]bucket

type bucket struct {
	mu    sync.Mutex
	names registry.Table[*entry]
}

// entry is a channel with connections. There may be one for each user that is online
// anywhere, so it is small.
type entry struct {
	name string
	share
}

// Key is the name.
func (e *entry) Key() string { return e.name }

// share is the connections of one node.
type share struct {
	node  uint16 // its index
	count uint32
	next  *share // of another node
}

// hash is the FNV-1a of a name, the same on every node.
func hash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

func (t *table) of(h uint64) *bucket { return &t[h%buckets] }

// weight is what a count adds to the sum of its bucket.
func weight(h uint64, count uint32) uint64 {
	if count == 0 {
		return 0
	}
	h = (h + uint64(count)) * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	return h ^ h>>27
}

// each calls f with the connections of each node in a channel.
func (t *table) each(channel string, f func(node uint16, count uint32)) {
	b := t.of(hash(channel))
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.names.Get(channel); e != nil {
		for s := &e.share; s != nil; s = s.next {
			f(s.node, s.count)
		}
	}
}

// all calls f with everything in a bucket, channel by channel.
func (b *bucket) all(f func(channel string, node uint16, count uint32)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names.Each(func(e *entry) {
		for s := &e.share; s != nil; s = s.next {
			f(e.name, s.node, s.count)
		}
	})
}

// set sets the number of connections of a node in a channel, and reports what it was, and
// whether that is a change.
func (t *table) set(n *node, channel string, count uint32) (before uint32, changed bool) {
	h := hash(channel)
	b := t.of(h)
	b.mu.Lock()
	defer b.mu.Unlock()
	before = b.setLocked(n, h, channel, count)
	return before, before != count
}

// setLocked returns the number before.
func (b *bucket) setLocked(n *node, h uint64, channel string, count uint32) (before uint32) {
	e := b.names.Get(channel)
	var mine *share
	if e != nil {
		mine = e.find(n.index)
	}
	if mine != nil {
		before = mine.count
	}
	if before == count {
		return before
	}
	n.sums[h%buckets] += weight(h, count) - weight(h, before)
	switch {
	case mine != nil && count > 0:
		mine.count = count
	case mine != nil:
		b.removeLocked(e, n.index)
	case e != nil:
		e.next = &share{node: n.index, count: count, next: e.next}
	default:
		b.names.Add(&entry{name: strings.Clone(channel), share: share{node: n.index, count: count}})
	}
	return before
}

func (e *entry) find(node uint16) *share {
	for s := &e.share; s != nil; s = s.next {
		if s.node == node {
			return s
		}
	}
	return nil
}

// removeLocked removes the share of a node, and the entry if it was the last one.
func (b *bucket) removeLocked(e *entry, node uint16) {
	if e.node != node {
		for s := &e.share; s.next != nil; s = s.next {
			if s.next.node == node {
				s.next = s.next.next
				return
			}
		}
		return
	}
	if e.next == nil {
		b.names.Remove(e)
		return
	}
	e.share = *e.next
}

// replace makes the counts of a node in a bucket those that are given. It returns the names
// whose count became zero, and those whose count was zero.
func (t *table) replace(n *node, bucket int, counts map[string]uint32) (ended, begun []string) {
	b := &t[bucket]
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names.Each(func(e *entry) {
		if counts[e.name] == 0 && e.find(n.index) != nil {
			ended = append(ended, e.name)
		}
	})
	for _, channel := range ended {
		b.setLocked(n, hash(channel), channel, 0)
	}
	for channel, count := range counts {
		if b.setLocked(n, hash(channel), channel, count) == 0 && count > 0 {
			begun = append(begun, channel)
		}
	}
	return ended, begun
}

// appendSums appends the sums of a node.
func (t *table) appendSums(dst []byte, n *node) []byte {
	for i := range t {
		t[i].mu.Lock()
		dst = binary.BigEndian.AppendUint64(dst, n.sums[i])
		t[i].mu.Unlock()
	}
	return dst
}
