package pebble

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// holesDiffer compares the holes of a channel as they are in memory with what was
// loaded, and both with the records, block by block.
func holesDiffer(t *testing.T, e *Engine, name string, loaded *cache.Holes) string {
	t.Helper()
	s, err := e.pinChannel(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer e.cache.UnpinChannel(s)
	h := e.cache.HeadOf(s)
	messages := map[uint64]bool{}
	err = format.Scan(t.Context(), e.db, name, h.Floor, h.Seq, func(seq uint64, g *format.Glance) (bool, error) {
		messages[seq] = g.Revokes == 0
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	whole := h.Purged // from the first whole block on, the numbers are exact
	for block := format.BlockOf(whole) + 1; block <= format.BlockOf(h.Seq); block++ {
		want := 0
		for seq := block << format.BlockBits; format.BlockOf(seq) == block && seq <= h.Seq; seq++ {
			if seq > h.Floor && !messages[seq] {
				want++
			}
		}
		got := s.V.Holes.In(block)
		if l := loaded.In(block); l != got {
			return fmt.Sprintf("block %d: %d holes in memory, %d loaded", block, got, l)
		}
		if got != want && block > format.BlockOf(h.Floor) {
			return fmt.Sprintf("block %d: %d holes, want %d", block, got, want)
		}
	}
	if got, want := h.Seq-h.Floor-h.Live, s.V.Holes.After(format.BlockOf(h.Floor)); got < want {
		return fmt.Sprintf("%d of %d sequences live, but %d holes", h.Live, h.Seq-h.Floor, want)
	}
	return ""
}

// A log of which nearly nothing lives is counted from few entries, and so it is after
// it was loaded again.
func TestHolesOfWholeBlocks(t *testing.T) {
	t.Parallel()
	e, _ := sweptByHand(t)
	add := func(dead int) (seq uint64) { // a message behind so many that are gone
		t.Helper()
		s, err := e.pinChannel(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		defer e.cache.UnpinChannel(s)
		err = e.committer.Do(t.Context(), committer.Mode{Frees: true}, s, func(c *stage.Changes) error {
			w := c.Touch(s)
			for range dead {
				w.Head.Seq++
				c.Hole(s, w.Head.Seq)
			}
			w.Dirty = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Append(t.Context(), []engine.Entry{{Channel: "c"}})
		if err != nil {
			t.Fatal(err)
		}
		return r[0].Seq
	}
	messages := []uint64{add(0), add(1000), add(4 * format.GroupSize), add(0), add(format.BlockSize), add(format.GroupSize), add(10)}
	check := func() {
		t.Helper()
		for i, seq := range messages {
			for _, after := range []uint64{seq - 1, seq, seq + 1, seq | (format.BlockSize - 1), seq | (format.GroupSize - 1)} {
				want := 0
				for _, m := range messages[i:] {
					if m > after {
						want++
					}
				}
				if got, err := e.Count(t.Context(), "c", after); err != nil || got != want && after+1 != 0 {
					t.Errorf("%d messages after %d, %v; want %d", got, after, err, want)
				}
			}
		}
		if b, err := e.Bounds(t.Context(), "c"); err != nil || b.Oldest != messages[0] {
			t.Errorf("%+v, %v", b, err)
		}
	}
	check()
	if keys := keysOf(t, e)["d"]; keys > 3*format.GroupSize/format.BlockSize {
		t.Errorf("%d entries for the holes", keys)
	}
	loaded, err := reload(t, e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := holesDiffer(t, e, "c", loaded.Holes); diff != "" {
		t.Error(diff)
	}
	forget(e)
	check()
	if _, err := e.Append(t.Context(), []engine.Entry{{Channel: "c", Revokes: messages[0]}}); err != nil {
		t.Fatal(err)
	}
	if b, err := e.Bounds(t.Context(), "c"); err != nil || b.Oldest != messages[1] {
		t.Errorf("without the first: %+v, %v", b, err)
	}
	if err := e.Trim(t.Context(), "c", messages[6]+1); err != nil {
		t.Fatal(err)
	}
	if n := keysOf(t, e); n["d"] != 0 || n["m"] != 0 {
		t.Errorf("after everything was removed: %v", n)
	}
}

// forget has the channel c loaded when it is next used.
func forget(e *Engine) {
	e.cache.Lock()
	defer e.cache.Unlock()
	e.cache.Channels.DropLocked(e.cache.Channels.PinLocked("c"))
}

// A store of an earlier format has no holes: they are found, and stored by the next
// change of the channel.
func TestHolesOfEarlierFormats(t *testing.T) {
	t.Parallel()
	for seed := uint64(0); seed < 6; seed += Stride {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			e, clock := sweptByHand(t)
			random := rand.New(rand.NewPCG(seed, 3))
			for range 300 {
				clock.Advance(time.Duration(random.IntN(2000)) * time.Millisecond)
				if what, err := disturb(t, e, random, headNow(t, e)); err != nil {
					t.Fatal(what, err)
				}
			}
			want := counts(t, e)
			forgetHoles(t, e)
			forget(e)
			if diff := cmp.Diff(want, counts(t, e)); diff != "" {
				t.Errorf("in the store of an earlier format (-want +got):\n%s", diff)
			}
			if _, err := e.Append(t.Context(), []engine.Entry{{Channel: "c", ID: "next"}}); err != nil {
				t.Fatal(err)
			}
			loaded, err := reload(t, e)
			if err != nil || loaded.Holes != nil && loaded.Holes.Unstored != nil {
				t.Fatalf("after a change the holes are not stored, %v", err)
			}
			if diff := holesDiffer(t, e, "c", loaded.Holes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func headNow(t *testing.T, e *Engine) uint64 {
	b, err := e.Bounds(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	return b.Head
}

func counts(t *testing.T, e *Engine) (all []int) {
	for after := range headNow(t, e) + 1 {
		n, err := e.Count(t.Context(), "c", after)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// forgetHoles makes of the channel c what an earlier format has in the store.
func forgetHoles(t *testing.T, e *Engine) {
	t.Helper()
	prefix := format.Named(nil, format.HolesPrefix, "c")
	b := e.db.NewBatch()
	if err := b.DeleteRange(prefix, format.Successor(prefix), nil); err != nil {
		t.Fatal(err)
	}
	var value []byte
	if _, err := format.Get(e.db, format.HeadKey(nil, "c"), func(v []byte) error { value = append(value, v...); return nil }); err != nil {
		t.Fatal(err)
	}
	value[0] = format.OldVersion
	value[1] &^= format.FlagHoley
	if err := b.Set(format.HeadKey(nil, "c"), value, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(pdb.NoSync); err != nil {
		t.Fatal(err)
	}
}

// The check compares the holes with the records, and what salvage writes has holes
// that count as the old ones did.
func TestCheckComparesHoles(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	o := Options{FS: fs, SweepEvery: time.Hour, Logger: slog.New(slog.DiscardHandler)}
	open := func(dir string) *Engine {
		t.Helper()
		e, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	check := func(want string) {
		t.Helper()
		r, err := Check(fs, "store")
		if err != nil || r.OK() != (want == "") || want != "" && !strings.Contains(r.Damage[0].Problem, want) {
			t.Errorf("check: %+v, %v; want %q", r, err, want)
		}
	}
	e := open("store")
	random := rand.New(rand.NewPCG(1, 5))
	for i := range 600 {
		in := engine.Entry{Channel: "c", ID: fmt.Sprint(i)}
		if i < 300 || i%3 == 0 {
			in.Key = fmt.Sprint(random.IntN(5)) // the first block is nothing but holes
		}
		if i%50 == 49 {
			in = engine.Entry{Channel: "c", Revokes: uint64(i - 1)}
		}
		if _, err := e.Append(t.Context(), []engine.Entry{in}); err != nil {
			t.Fatal(err)
		}
	}
	want := counts(t, e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	check("")
	if r, err := Salvage(fs, "store", "saved"); err != nil || !r.OK() {
		t.Fatalf("salvage: %+v, %v", r, err)
	}
	for range 2 { // the second time they are stored
		e = open("saved")
		if diff := cmp.Diff(want, counts(t, e)); diff != "" {
			t.Errorf("in the new store (-want +got):\n%s", diff)
		}
		if _, err := e.Append(t.Context(), []engine.Entry{{Channel: "c", Key: "none"}, {Channel: "c", Revokes: headNow(t, e) + 1}}); err != nil {
			t.Fatal(err)
		}
		want = counts(t, e)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, block := range []uint64{0, 1, 2} {
		e = open("store")
		var list []byte
		if _, err := format.Get(e.db, format.HolesKey(nil, "c", block), func(v []byte) error { list = append(list, v...); return nil }); err != nil {
			t.Fatal(err)
		}
		write := func(key, value []byte) {
			if err := e.db.Set(key, value, pdb.Sync); err != nil {
				t.Fatal(err)
			}
		}
		write(format.HolesKey(nil, "c", block), append(list[:len(list)-1:len(list)-1], list[0]))
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		check("the holes of channel")
		e = open("store")
		write(format.HolesKey(nil, "c", block), list)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		check("")
	}
}

// What has ended and was not swept yet is not counted, and a count that meets much of
// it has it swept, unless nothing can be written.
func TestCountSweeps(t *testing.T) {
	t.Parallel()
	for _, limits := range []engine.Limits{{}, {MaxAge: time.Minute}} {
		e, clock := sweptByHand(t)
		batch := make([]engine.Entry, 1000)
		for i := range batch {
			batch[i] = engine.Entry{Channel: "c", Limits: limits}
			if limits.MaxAge == 0 && i%2 == 0 {
				batch[i].TTL = time.Minute
			}
		}
		if _, err := e.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		before := keysOf(t, e)
		clock.Advance(time.Minute)
		want := 500
		if limits.MaxAge != 0 {
			want = 0
		}
		if n, err := e.Count(t.Context(), "c", 0); err != nil || n != want {
			t.Fatalf("%d messages, %v; want %d", n, err, want)
		}
		if after := keysOf(t, e); after["m"] != want || after["e"] != 0 {
			t.Errorf("before the count %v, after it %v", before, after)
		}
	}
}

// A count while the sweeper works is never of messages that have ended.
func TestCountWhileSweeping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, countWhileSweeping)
}

func countWhileSweeping(t *testing.T) {
	e, clock := sweptByHand(t)
	batch := make([]engine.Entry, 200)
	for i := range batch {
		batch[i] = engine.Entry{Channel: "c", TTL: time.Duration(1+i) * time.Millisecond}
	}
	batch = append(batch, engine.Entry{Channel: "c"})
	if _, err := e.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	s, err := e.pinChannel(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	defer e.cache.UnpinChannel(s)
	counted := make(chan int, 1)
	err = e.committer.Do(t.Context(), committer.Mode{Frees: true}, s, func(c *stage.Changes) error {
		if _, err := c.Sweep(s); err != nil {
			return err
		}
		if err := writeEarly(e, c); err != nil { // it is in the store, and not published
			return err
		}
		go func() {
			n, err := e.Count(t.Context(), "c", 0)
			if err != nil {
				t.Error(err)
			}
			counted <- n
		}()
		synctest.Wait() // the count waits for this commit
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := <-counted; n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func benchStore(b *testing.B) *Engine {
	e, err := Open("store", Options{FS: vfs.NewMem(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	return e
}

// BenchmarkCount counts 60 000 unread messages of 6 KB: all there, one collapsed, a
// tenth of them revoked, and every second one.
func BenchmarkCount(b *testing.B) {
	for _, holes := range []struct {
		name  string
		every int
	}{{"none", 0}, {"one", 60_000}, {"tenth", 10}, {"half", 2}} {
		e := benchStore(b)
		limits := engine.Limits{MaxAge: 30 * 24 * time.Hour, MaxMessages: 100_000}
		batch := make([]engine.Entry, 0, 1000)
		for i := range 60_000 {
			batch = append(batch, engine.Entry{Channel: "c", Data: make([]byte, 6000), Limits: limits})
			if i == 100 && holes.every == 60_000 || holes.every == 10 && i%10 == 0 {
				batch[len(batch)-1].Key = "k"
			}
			if len(batch) == cap(batch) {
				if _, err := e.Append(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		if holes.every == 60_000 {
			batch = append(batch, engine.Entry{Channel: "c", Key: "k", Limits: limits})
		}
		if holes.every == 2 {
			for seq := uint64(2); seq <= 60_000; seq += 2 {
				batch = append(batch, engine.Entry{Channel: "c", Revokes: seq, Limits: limits})
			}
		}
		if _, err := e.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		b.Run("holes="+holes.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if _, err := e.Count(b.Context(), "c", uint64(i%1000)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// reload returns the state of channel "c" as it is stored.
func reload(t *testing.T, e *Engine) (cache.Channel, error) {
	s, err := cache.New(e.db, 1, e.timeOf).PinChannel(t.Context(), "c")
	if err != nil {
		return cache.Channel{}, err
	}
	return s.V, nil
}

// writeEarly puts what is staged into the store before the commit is published, as it is
// at the end of a commit.
func writeEarly(e *Engine, c *stage.Changes) error {
	err := e.db.Apply(c.Batch(), pdb.NoSync)
	c.Begin(e.nowMilli(), 0)
	return err
}
