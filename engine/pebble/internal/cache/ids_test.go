package cache

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// counted counts the lookups in a store.
type counted struct {
	pdb.Reader
	gets int
}

func (c *counted) Get(key []byte) ([]byte, io.Closer, error) {
	c.gets++
	return c.Reader.Get(key)
}

// A filter finds every hash that was added, also when it is overfull, and few others as
// long as it is not.
func TestFilter(t *testing.T) {
	t.Parallel()
	var f filter
	random := rand.New(rand.NewPCG(1, 2))
	wrong := func(of int) (n int) {
		other := rand.New(rand.NewPCG(3, 4))
		for range of {
			if f.has(other.Uint64()) {
				n++
			}
		}
		return n
	}
	if f.has(0) || wrong(1000) > 0 {
		t.Error("an empty filter finds something")
	}
	n := 0
	for _, upTo := range []int{1, 1000, blockIDs * firstBlocks, 2 * blockIDs * firstBlocks, 500_000} {
		for ; n < upTo; n++ {
			f.add(random.Uint64(), 3)
		}
		again := rand.New(rand.NewPCG(1, 2))
		for i := range n {
			if !f.has(again.Uint64()) {
				t.Fatalf("with %d hashes, number %d is not found", n, i)
			}
		}
		if got := wrong(10_000); got > 600 {
			t.Errorf("with %d hashes, %d of 10000 others are found", n, got)
		}
	}
	if len(f) > 3 {
		t.Errorf("%d filters", len(f))
	}
}

// memoStore returns a cache of a store that remembers IDs 0 to n-1 of yesterday, and n to
// 2n-1 of today.
func memoStore(t *testing.T, n int, now *int64) (*Cache, *counted) {
	db, err := pdb.Open("", &pdb.Options{FS: vfs.NewMem(), Logger: quietLogger{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	today := format.DayOf(*now)
	for i := range 2 * n {
		day := today - 1
		if i >= n {
			day = today
		}
		m := format.Memo{Seq: uint64(i + 1), Time: *now}
		if err := db.Set(format.MemoKey(nil, day, pairOf(i)), m.Append(nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	r := &counted{Reader: db}
	return New(r, 10, func(string) int64 { return *now }), r
}

type quietLogger struct{}

func (quietLogger) Infof(string, ...any)      {}
func (quietLogger) Errorf(string, ...any)     {}
func (quietLogger) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func pairOf(i int) string                     { return format.PairName("a", fmt.Sprint(i)) }
func entryOf(i int) engine.Entry {
	return engine.Entry{Channel: "a", ID: fmt.Sprint(i), Idempotent: true}
}

// look appends nothing, but pins and loads as an append with ID i does. It returns what is
// remembered.
func look(t *testing.T, c *Cache, in engine.Entry) (seq uint64) {
	entries, pins := []engine.Entry{in}, make([]Pins, 1)
	c.Lock()
	c.PinLocked(entries, pins)
	c.Unlock()
	if err := c.Load(t.Context(), entries, pins); err != nil {
		t.Fatal(err)
	}
	if p := pins[0].Memo; p != nil {
		seq = p.V.Seq
	}
	if p := pins[0].Forgets; p != nil {
		seq = p.V.Seq
	}
	c.Lock()
	c.UnpinLocked(pins)
	c.Unlock()
	return seq
}

// Every ID that the store remembers is found, whether it was stored before or is pinned
// now; the store is asked for few others, and for all of them until its IDs are known.
func TestIDs(t *testing.T) {
	t.Parallel()
	const n = 500
	now := 20000*format.Day + format.Day/2
	c, db := memoStore(t, n, &now)
	c.RememberIDs(10 << 20)
	if look(t, c, entryOf(7)) != 8 || look(t, c, entryOf(-1)) != 0 {
		t.Error("IDs are not found before they are known")
	}
	if db.gets < 4 { // two days for each, and the head of the channel
		t.Errorf("%d lookups: the store has to be asked", db.gets)
	}
	if err := c.LearnIDs(nil); err != nil {
		t.Fatal(err)
	}
	db.gets = 0
	for i := range 2 * n {
		if got := look(t, c, entryOf(i)); got != uint64(i+1) {
			t.Fatalf("ID %d: %d", i, got)
		}
		forget := engine.Entry{Channel: "a", ID: "x", Forgets: fmt.Sprint(i)}
		if got := look(t, c, forget); got != uint64(i+1) {
			t.Fatalf("ID %d to be forgotten: %d", i, got)
		}
	}
	db.gets = 0
	for i := range 10_000 {
		look(t, c, entryOf(2*n+i))
	}
	if db.gets > 2*600 { // two days for each that is found wrongly
		t.Errorf("%d lookups for 10000 new IDs", db.gets)
	}
	db.gets = 0
	for i := range 100 { // these were pinned above
		look(t, c, entryOf(2*n+i))
	}
	if db.gets < 200 {
		t.Errorf("%d lookups for 100 IDs that may be there", db.gets)
	}
}

// An ID that was pinned is known for as long as the store may remember it, and forgotten
// some time later. One that was pinned while the filter was incomplete is, too.
func TestIDsAreForgotten(t *testing.T) {
	t.Parallel()
	now := 20000 * format.Day
	c, db := memoStore(t, 0, &now)
	c.RememberIDs(10 << 20)
	const hour = format.Day / 24
	known := func(i int) bool {
		db.gets = 0
		in := entryOf(i)
		in.ID, in.Idempotent, in.Forgets = "", false, in.ID // adds nothing
		look(t, c, in)
		return db.gets == 2 // two days
	}
	look(t, c, engine.Entry{Channel: "a"}) // the head is cached
	for i := range 200 {                   // one an hour
		look(t, c, entryOf(i))
		for age := range min(i, 48) {
			if !known(i - age) {
				t.Fatalf("after %d hours, the ID of %d hours ago is not known", i, age)
			}
		}
		now += hour
	}
	forgotten := 0
	for i := range 90 {
		if !known(i) {
			forgotten++
		}
	}
	if forgotten < 80 {
		t.Errorf("%d of 90 IDs are forgotten after more than 110 hours", forgotten)
	}
}

// Learning ends when it is told to, and the store is asked then.
func TestLearnIDsStops(t *testing.T) {
	t.Parallel()
	now := 20000 * format.Day
	c, _ := memoStore(t, 1000, &now)
	c.RememberIDs(10 << 20)
	stop := make(chan struct{})
	close(stop)
	if err := c.LearnIDs(stop); err != nil || c.ids.complete {
		t.Errorf("complete %v, %v", c.ids.complete, err)
	}
	if got := look(t, c, entryOf(999)); got != 1000 {
		t.Errorf("ID 999: %d", got)
	}
}

// The filters of both times fit into the memory that is given, but for the least.
func TestFiltersIn(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]int{0: 1, 128 << 10: 1, 1152 << 10: 2, 9343 << 10: 2, 9344 << 10: 3, 10 << 20: 3} {
		if got := filtersIn(bytes); got != want {
			t.Errorf("%d bytes: %d filters, want %d", bytes, got, want)
		}
	}
}
