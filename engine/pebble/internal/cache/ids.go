package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"time"
	"unsafe"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// ids says of most chosen IDs that the store does not remember them. Nearly every append
// with an ID is its first one, and to find that out in the store costs more than the rest of
// the append does in memory.
//
// Every ID that is pinned for an append is added, and those of before are read from the
// store once. An ID stays for as long as the store may find it, which is until the end of
// the day after its append. That other IDs are found, too, only costs a lookup. The mutex
// of the cache guards all fields but seed.
type ids struct {
	seed     maphash.Seed
	filters  int    // how many a filter has at most
	complete bool   // those of before are there
	recent   filter // since began
	earlier  filter // and before that
	began    int64
}

// keepIDs is how long recent lasts at least: no ID is looked for after so much time.
const keepIDs = int64(49 * time.Hour / time.Millisecond)

// LearnIDs reads the remembered IDs; until then, every ID is looked for in the store. It ends
// when stop is closed, or if there are more IDs than a filter is for.
func (c *Cache) LearnIDs(stop <-chan struct{}) error {
	const batch = 256
	hashes, n := make([]uint64, 0, batch), 0
	add := func() {
		c.Lock()
		for _, h := range hashes {
			c.ids.earlier.add(h, c.ids.filters)
		}
		c.Unlock()
		hashes = hashes[:0]
	}
	c.Lock()
	today := format.DayOf(c.ids.began) // when the store was opened
	c.Unlock()
	yesterday := binary.BigEndian.AppendUint32([]byte{format.MemoPrefix}, max(today, 1)-1) // today may be the first day
	err := format.ScanPrefix(context.Background(), c.db, []byte{format.MemoPrefix}, yesterday, func(key, _ []byte) error {
		if n++; n > roomOf(c.ids.filters) {
			return errManyIDs
		}
		if hashes = append(hashes, maphash.Bytes(c.ids.seed, key[min(len(yesterday), len(key)):])); len(hashes) < batch {
			return nil
		}
		add()
		select {
		case <-stop:
			return errStopped
		default:
			return nil
		}
	})
	switch {
	case err == errManyIDs, err == errStopped:
		return nil
	case err != nil:
		return err
	}
	add()
	c.Lock()
	c.ids.complete = true
	c.Unlock()
	return nil
}

var errManyIDs, errStopped = errors.New("more IDs than a filter is for"), errors.New("stopped")

// RememberIDs has the cache know which IDs the store does not remember, with about that much
// memory, of which 128 KiB are the least. It must not be used if times differ between
// channels, and must be called before the first append.
func (c *Cache) RememberIDs(bytes int64) {
	c.ids = &ids{seed: maphash.MakeSeed(), filters: filtersIn(bytes), began: c.now("")}
}

// pinMemoLocked pins the slot of an ID, by channel and ID, for an append or to forget it.
// The slot is loaded if the store cannot know the ID.
func (c *Cache) pinMemoLocked(pair string, appends bool) *Slot[format.Memo] {
	s := c.Memos.PinLocked(pair)
	if c.ids == nil {
		return s
	}
	h := maphash.String(c.ids.seed, pair)
	if s.pins == 1 && c.ids.complete && !c.ids.earlier.has(h) && !c.ids.recent.has(h) {
		s.loaded = true
	}
	if appends {
		c.ids.rotate(c.now(""))
		c.ids.recent.add(h, c.ids.filters)
	}
	return s
}

// rotate forgets IDs that are not looked for any more.
func (d *ids) rotate(now int64) {
	if now-d.began < keepIDs {
		return
	}
	d.earlier, d.recent = d.recent, nil
	d.began, d.complete = now, true
}

// filter is a set of hashes that may also find others: Bloom filters, each larger than the
// one before. When the last one is full, it finds more and more others.
type filter []bloom

const (
	firstBlocks  = 1 << 10 // 64 KiB
	filterGrowth = 8
	// blockIDs is how many IDs there are in a block. It then finds about 2 % of others.
	blockIDs = 51
)

// filtersIn is how many filters recent and earlier may have in so much memory.
func filtersIn(bytes int64) int {
	n := 1
	for 2*int64(roomOf(n+1)/blockIDs)*int64(unsafe.Sizeof(block{})) <= bytes {
		n++
	}
	return n
}

// roomOf is how many IDs there can be in so many filters.
func roomOf(filters int) (ids int) {
	size := firstBlocks
	for range filters {
		ids, size = ids+blockIDs*size, filterGrowth*size
	}
	return ids
}

func (f *filter) add(h uint64, most int) {
	n := len(*f)
	if n == 0 || (*f)[n-1].room == 0 && n < most {
		size := firstBlocks
		if n > 0 {
			size = filterGrowth * len((*f)[n-1].blocks)
		}
		*f = append(*f, bloom{blocks: make([]block, size), room: size * blockIDs})
		n++
	}
	(*f)[n-1].add(h)
}

func (f filter) has(h uint64) bool {
	for i := range f {
		if f[i].has(h) {
			return true
		}
	}
	return false
}

// bloom is a Bloom filter of blocks. An ID is in one of them, which is a line of the
// processor's cache.
type bloom struct {
	blocks []block
	room   int
}

type block [8]uint64

// probes is how many bits an ID sets.
const probes = 7

// of returns the block of a hash, and the bits that it sets there.
func (b *bloom) of(h uint64) (in *block, bits block) {
	in = &b.blocks[(h>>32)*uint64(len(b.blocks))>>32]
	bit, step := uint32(h), uint32(h>>17)|1
	for range probes {
		n := bit >> 23 // 0 to 511
		bits[n/64] |= 1 << (n % 64)
		bit += step
	}
	return in, bits
}

func (b *bloom) add(h uint64) {
	in, bits := b.of(h)
	for i := range bits {
		in[i] |= bits[i]
	}
	b.room = max(b.room-1, 0)
}

func (b *bloom) has(h uint64) bool {
	in, bits := b.of(h)
	for i := range bits {
		if in[i]&bits[i] != bits[i] {
			return false
		}
	}
	return true
}
