package cache

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/bits"
	"slices"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// packed keeps idle channels in a compact form: about 40 bytes and the name for a channel,
// where a slot and its place in a map take 300, and without pointers that the garbage
// collector would have to follow. It is guarded by the mutex of its table.
//
// It is a hash table. A bucket is one piece of memory with its entries one after the
// other, the least recently used one first. The table grows by linear hashing, which
// divides one bucket at a time, so that no call rehashes all entries under the mutex. Up to
// keep channels are kept. If there are more, the bucket that has just grown loses its first
// entry: of a bucket's channels, always the least recently used one is evicted.
type packed struct {
	seed    maphash.Seed
	buckets [][]byte
	count   int // of entries
	keep    int
	entry   []byte // scratch

	// The holes of a channel stay as they are; its entry has the index, plus one.
	holes []*Holes
	free  []uint64 // unused indexes
}

// An entry is
//
//	byte    8 bits of the name's hash
//	uint16  the size of the entry, little endian
//	        name, 0 byte
//	uvarint index of the holes, plus one; 0: none
//	        head
const entryHeader = 3

// bucketLoad is the average number of entries in a bucket.
const bucketLoad = 8

func newPacked(keep int) *packed {
	return &packed{seed: maphash.MakeSeed(), buckets: make([][]byte, 1), keep: keep}
}

// put adds a channel, which must not be in the table. The number of its sweeps is not
// kept: only a reader that has it pinned compares it.
func (p *packed) put(name string, c *Channel) {
	hash := maphash.String(p.seed, name)
	b := append(p.entry[:0], mark(hash), 0, 0)
	b = append(append(b, name...), 0)
	b = binary.AppendUvarint(b, p.store(c.Holes))
	b = c.Head.Append(b)
	p.entry = b
	if len(b) > math.MaxUint16 {
		p.release(b)
		return
	}
	binary.LittleEndian.PutUint16(b[1:], uint16(len(b)))

	i := p.home(hash)
	p.buckets[i] = extend(p.buckets[i], b)
	if p.count++; p.count > p.keep {
		p.evict(i, len(b))
	}
	if p.count > bucketLoad*len(p.buckets) {
		p.divide()
	}
}

// take removes a channel and reports whether it was there.
func (p *packed) take(name string, c *Channel) bool {
	hash := maphash.String(p.seed, name)
	i := p.home(hash)
	at, size := find(p.buckets[i], mark(hash), name)
	if size == 0 {
		return false
	}
	p.unpack(p.buckets[i][at:at+size], len(name), c)
	p.buckets[i] = slices.Delete(p.buckets[i], at, at+size)
	p.count--
	return true
}

// find returns where the entry of a name is in a bucket. Size 0 means that it is not.
func find(b []byte, mark byte, name string) (at, size int) {
	for ; at < len(b); at += size {
		size = sizeOf(b[at:])
		if b[at] != mark || size <= entryHeader+len(name) {
			continue
		}
		if end := at + entryHeader + len(name); b[end] == 0 && string(b[at+entryHeader:end]) == name {
			return at, size
		}
	}
	return 0, 0
}

func sizeOf(entry []byte) int { return int(binary.LittleEndian.Uint16(entry[1:])) }

func mark(hash uint64) byte { return byte(hash >> 56) }

// unpack fills c with an entry, which is removed.
func (p *packed) unpack(entry []byte, name int, c *Channel) {
	rest := entry[entryHeader+name+1:]
	index, n := binary.Uvarint(rest)
	*c = Channel{}
	c.Head, _ = format.DecodeHead(rest[n:]) // put has encoded it
	if index > 0 {
		c.Holes = p.holes[index-1]
		p.releaseHoles(index)
	}
}

// store keeps the holes of a channel and returns their index plus one, or 0 for none.
func (p *packed) store(h *Holes) uint64 {
	if h == nil {
		return 0
	}
	if n := len(p.free); n > 0 {
		index := p.free[n-1]
		p.free = p.free[:n-1]
		p.holes[index-1] = h
		return index
	}
	p.holes = append(p.holes, h)
	return uint64(len(p.holes))
}

func (p *packed) releaseHoles(index uint64) {
	p.holes[index-1] = nil
	p.free = append(p.free, index)
}

// release frees what an entry that is evicted refers to.
func (p *packed) release(entry []byte) {
	name := bytes.IndexByte(entry[entryHeader:], 0)
	if index, _ := binary.Uvarint(entry[entryHeader+name+1:]); index > 0 {
		p.releaseHoles(index)
	}
}

// evict removes the first entry of a bucket. If that is the one just added, of the given
// size, the next bucket that has entries loses its first.
func (p *packed) evict(i, added int) {
	for len(p.buckets[i]) == added {
		for i, added = (i+1)%len(p.buckets), 0; len(p.buckets[i]) == 0; i = (i + 1) % len(p.buckets) {
		}
	}
	b := p.buckets[i]
	p.release(b)
	p.buckets[i] = slices.Delete(b, 0, sizeOf(b))
	p.count--
}

// home is the bucket of a hash. Of the hash the lowest bits are used that address all
// buckets; the last addresses are not divided yet, so they are one bit shorter.
func (p *packed) home(hash uint64) int {
	size := uint64(1) << bits.Len(uint(len(p.buckets)-1))
	i := hash & (size - 1)
	if i >= uint64(len(p.buckets)) {
		i -= size / 2
	}
	return int(i)
}

// divide adds a bucket and moves entries to it from the one that had its addresses.
func (p *packed) divide() {
	added := len(p.buckets)
	from := added &^ (1 << (bits.Len(uint(added)) - 1))
	p.buckets = append(p.buckets, nil)
	old := p.buckets[from]
	var stay, move []byte
	for len(old) > 0 {
		entry := old[:sizeOf(old)]
		old = old[len(entry):]
		name := entry[entryHeader:][:bytes.IndexByte(entry[entryHeader:], 0)]
		if p.home(maphash.Bytes(p.seed, name)) == added {
			move = append(move, entry...)
		} else {
			stay = append(stay, entry...)
		}
	}
	p.buckets[from], p.buckets[added] = extend(nil, stay), extend(nil, move)
}

// extend appends to a bucket. Unlike append it takes no more memory than needed: there are
// many buckets, and each grows seldom.
func extend(b, more []byte) []byte {
	if len(b)+len(more) <= cap(b) {
		return append(b, more...)
	}
	return append(append(make([]byte, 0, len(b)+len(more)), b...), more...)
}
