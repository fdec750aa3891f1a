package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// newChannels returns a table with so many idle channels in slots, and packed.
func newChannels(slots, packed int) *table[Channel] {
	t := new(table[Channel])
	t.init(slots, newPacked(packed))
	return t
}

// someChannel returns a state that only a channel of that number has.
func someChannel(n uint64) Channel {
	c := Channel{Head: format.Head{
		Seq: n + 10, Floor: n / 2, Purged: n / 3, Lost: n / 4, Live: 7,
		Time: int64(n) << 20, Ends: int64(n % 3), Latest: int64(n) << 21, Sweep: int64(n % 5),
		Mixed: n%2 == 0, Keyed: n%3 == 0, Holey: n%4 == 0,
	}}
	if c.Head.Holey {
		c.Holes = new(Holes)
		c.Holes.add(n, 1)
	}
	return c
}

// A table and its packed channels hold what a map would hold, less what was evicted:
// pinned channels are never evicted, and there are never more idle ones than allowed.
func TestTableIsAMap(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ names, slots, packed int }{
		{names: 40, slots: 0, packed: 1},
		{names: 40, slots: 3, packed: 20},
		{names: 40, slots: 0, packed: 40},
		{names: 2000, slots: 30, packed: 1200},
		{names: 2000, slots: 0, packed: 2000},
	} {
		t.Run(fmt.Sprintf("%+v", size), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(1, uint64(size.packed)))
			m := &tableModel{
				t: t, table: newChannels(size.slots, size.packed), want: make(map[string]Channel),
				room: size.slots + size.packed, all: size.names <= size.packed,
			}
			for step := range 20 * size.names {
				n := random.IntN(size.names)
				m.step(random, strings.Repeat("c", 1+n%30)+fmt.Sprint(n))
				if step%size.names == 0 {
					m.check()
				}
			}
			for len(m.pinned) > 0 {
				m.unpin(0)
			}
			m.check()
		})
	}
}

type tableModel struct {
	t      *testing.T
	table  *table[Channel]
	want   map[string]Channel // what each name was last set to
	pinned []*Slot[Channel]
	next   uint64
	room   int
	all    bool // nothing is evicted
}

// step pins a channel, unpins one or drops one.
func (m *tableModel) step(random *rand.Rand, name string) {
	if len(m.pinned) < 10 && random.IntN(2) == 0 {
		m.pin(name, random.IntN(2) == 0)
	} else if len(m.pinned) > 0 {
		i := random.IntN(len(m.pinned))
		if random.IntN(20) == 0 {
			m.drop(i)
		} else {
			m.unpin(i)
		}
	}
}

func (m *tableModel) pin(name string, change bool) {
	s := m.table.PinLocked(name)
	m.pinned = append(m.pinned, s)
	want, known := m.want[name]
	switch {
	case s.Name != name:
		m.t.Fatalf("pinned %q and got %q", name, s.Name)
	case s.loaded && !known, !s.loaded && s.pins > 1, !s.loaded && known && m.all:
		m.t.Fatalf("%q: loaded is %v, known %v, %d pins", name, s.loaded, known, s.pins)
	case s.loaded && (s.V.Head != want.Head || s.V.Holes != want.Holes):
		m.t.Fatalf("%q is %+v, want %+v", name, s.V, want)
	}
	if change || !s.loaded {
		m.next++
		s.V, s.loaded = someChannel(m.next), true
		m.want[name] = s.V
	}
}

func (m *tableModel) unpin(i int) {
	m.table.UnpinLocked(m.take(i))
}

func (m *tableModel) drop(i int) {
	s := m.take(i)
	if s.pins == 1 {
		delete(m.want, s.Name)
	}
	m.table.DropLocked(s)
}

func (m *tableModel) take(i int) *Slot[Channel] {
	s := m.pinned[i]
	m.pinned[i] = m.pinned[len(m.pinned)-1]
	m.pinned = m.pinned[:len(m.pinned)-1]
	return s
}

// check counts what the table has.
func (m *tableModel) check() {
	p := m.table.shelf.(*packed)
	names := make(map[string]bool)
	for _, s := range m.pinned {
		if m.table.slots[s.Name] != s {
			m.t.Fatalf("%q is pinned and not in the table", s.Name)
		}
		names[s.Name] = true
	}
	if idle := len(m.table.slots) - len(names); idle != m.table.idle || idle > m.table.keep {
		m.t.Fatalf("%d idle slots, want %d, at most %d", idle, m.table.idle, m.table.keep)
	}
	entries, withHoles := 0, 0
	for i, b := range p.buckets {
		for len(b) > 0 {
			name, _, _ := strings.Cut(string(b[entryHeader:]), "\x00")
			if m.table.slots[name] != nil {
				m.t.Fatalf("%q is in a slot and packed", name)
			}
			if m.want[name].Head.Holey {
				withHoles++
			}
			if at, size := find(p.buckets[i], b[0], name); size != sizeOf(b) || len(p.buckets[i])-at != len(b) {
				m.t.Fatalf("%q is twice in a bucket", name)
			}
			b = b[sizeOf(b):]
			entries++
		}
	}
	if kept := len(p.holes) - len(p.free); entries != p.count || entries > p.keep || kept != withHoles {
		m.t.Fatalf("%d packed, counted %d, at most %d; %d have holes, %d kept", entries, p.count, p.keep, withHoles, kept)
	}
}

// Of a bucket the least recently used channel is evicted, and there is one bucket as
// long as there are few channels.
func TestPackedEvictsTheOldest(t *testing.T) {
	t.Parallel()
	table := newChannels(0, 3)
	add := func(name string) { // or use
		s := table.PinLocked(name)
		s.loaded = true
		table.UnpinLocked(s)
	}
	for _, name := range []string{"a", "b", "c", "a", "d"} {
		add(name)
	}
	for name, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		s := table.PinLocked(name)
		if s.loaded != want {
			t.Errorf("%s is loaded: %v", name, s.loaded)
		}
	}
}

// A name that no entry has room for is not kept, and neither are its holes.
func TestPackedRefusesLongNames(t *testing.T) {
	t.Parallel()
	p := newPacked(10)
	c, name := someChannel(4), strings.Repeat("n", 1<<16)
	p.put(name, &c)
	if p.count != 0 || p.take(name, &c) || len(p.holes) != len(p.free) {
		t.Errorf("%d entries, %d of %d holes are free", p.count, len(p.free), len(p.holes))
	}
}

// A failed load leaves nothing, and the next caller loads again. Callers that load the same
// channel get one copy.
func TestFillRaces(t *testing.T) {
	t.Parallel()
	const names = 50
	var mu sync.Mutex
	table := newChannels(2, 10)
	counts := make(map[string]uint64) // guarded by mu
	failed := errors.New("failed")
	var all sync.WaitGroup
	for worker := range 8 {
		random := rand.New(rand.NewPCG(uint64(worker), 1))
		all.Go(func() {
			for range 500 {
				fail := random.IntN(4) == 0
				mu.Lock()
				s := table.PinLocked(fmt.Sprint(random.IntN(names)))
				mu.Unlock()
				err := s.fill(t.Context(), &mu, func(_ context.Context, name string) (Channel, error) {
					if fail {
						return Channel{}, failed
					}
					mu.Lock()
					defer mu.Unlock()
					return Channel{Head: format.Head{Seq: counts[name], Live: counts[name]}}, nil
				})
				mu.Lock()
				if err == nil {
					if s.V.Head.Seq != counts[s.Name] {
						t.Errorf("%s: %d, want %d", s.Name, s.V.Head.Seq, counts[s.Name])
					}
					s.V.Head.Seq, s.V.Head.Live = s.V.Head.Seq+1, s.V.Head.Live+1
					counts[s.Name]++
				}
				table.UnpinLocked(s)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(table.slots) > 2 || len(counts) != names {
		t.Errorf("%d slots are left, %d channels were used", len(table.slots), len(counts))
	}
}

// Pinning a known channel allocates nothing.
func TestPinAllocs(t *testing.T) {
	for _, slots := range []int{0, 10, 1000} {
		table, i := newChannels(slots, 1000), 0
		names := make([]string, 1000)
		for i := range names {
			names[i] = fmt.Sprint("user:", i)
		}
		use := func() {
			s := table.PinLocked(names[i%len(names)])
			s.V.Head.Seq, s.V.Head.Live, s.loaded = s.V.Head.Seq+1, s.V.Head.Live+1, true
			table.UnpinLocked(s)
			i += 7
		}
		for range 2 * len(names) {
			use()
		}
		if n := testing.AllocsPerRun(1000, use); n != 0 {
			t.Errorf("with %d slots: %.0f allocations", slots, n)
		}
	}
}
