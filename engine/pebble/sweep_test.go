package pebble

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// sweptByHand is an engine whose sweeper works only when the test says so.
func sweptByHand(t *testing.T) (*Engine, *enginetest.Clock) {
	c := enginetest.NewClock()
	e, err := Open("store", Options{
		FS: vfs.NewMem(), Now: c.Now, Elapsed: c.Elapsed, SweepEvery: time.Hour, StallAfter: time.Hour, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e, c
}

// keysOf counts the keys in the store by their prefix.
func keysOf(t *testing.T, e *Engine) map[string]int {
	t.Helper()
	it, err := e.db.NewIter(&pdb.IterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	n := make(map[string]int)
	for ok := it.First(); ok; ok = it.Next() {
		n[string(it.Key()[:1])]++
	}
	return n
}

// When everything has expired and was swept, only heads and the clock are left.
func TestSweepLeavesNothing(t *testing.T) {
	e, c := sweptByHand(t)
	for i := range 3000 {
		in := engine.Entry{
			Channel: fmt.Sprint("c", i%3), ID: fmt.Sprint(i), Idempotent: i%2 == 0, Limits: engine.Limits{MaxAge: time.Hour},
		}
		if i%5 == 0 {
			in.Key = fmt.Sprint("k", i)
		}
		if i%7 == 0 {
			in.TTL = 10 * time.Minute
		}
		if i == 2000 {
			in.Limits.MaxAge = time.Minute
		}
		if i > 2900 {
			in.Limits.MaxMessages = 500
		}
		if i%11 == 0 && i > 30 {
			in = engine.Entry{Channel: in.Channel, Revokes: uint64(i / 4), Limits: in.Limits}
		}
		if _, err := e.Append(t.Context(), []engine.Entry{in}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.sweep(); err != nil {
		t.Fatal(err)
	}
	if n := keysOf(t, e); n["m"] < 1000 || n["k"] == 0 || n["e"] == 0 || n["x"] == 0 || n["i"] == 0 {
		t.Fatalf("before: %v", n)
	}
	for range 4 {
		c.Advance(20 * time.Hour)
		if err := e.sweep(); err != nil {
			t.Fatal(err)
		}
	}
	if n := keysOf(t, e); len(n) != 2 || n["h"] != 3 || n["c"] != 1 {
		t.Fatalf("after: %v", n)
	}
	for i := range 3 {
		b, err := e.Bounds(t.Context(), fmt.Sprint("c", i))
		if err != nil || b.Oldest != 0 || b.Lost != b.Head {
			t.Fatalf("%+v, %v", b, err)
		}
	}
}

// A record that the sweeper removes by its age is reported as a loss to a reader between
// its removal and the publishing of the commit.
func TestSweepPublishesLossFirst(t *testing.T) {
	e, clock := sweptByHand(t)
	for _, age := range []time.Duration{time.Hour, time.Minute} { // the second goes first
		entry := engine.Entry{Channel: "c", ID: age.String(), Limits: engine.Limits{MaxAge: age}}
		if got, err := e.Append(t.Context(), []engine.Entry{entry}); err != nil || got[0].Err != nil {
			t.Fatal(err, got)
		}
	}
	clock.Advance(2 * time.Minute)
	s, err := e.pinChannel(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	defer e.cache.UnpinChannel(s)
	var page engine.Page
	err = e.committer.Do(t.Context(), committer.Mode{Frees: true}, s, func(c *stage.Changes) error {
		_, sweep := c.Sweep(s)
		early := writeEarly(e, c)
		var read error
		page, read = e.Read(t.Context(), "c", 1, 10, 1000)
		return errors.Join(sweep, early, read)
	})
	if err != nil || len(page.Records) != 0 || !page.Lost {
		t.Fatalf("after 1: %d records, lost %v, %v; want none and lost", len(page.Records), page.Lost, err)
	}
}

// A channel at its limit keeps few dead records, also without the sweeper.
func TestLimitPurges(t *testing.T) {
	for _, key := range []string{"", "k"} {
		e, _ := sweptByHand(t)
		for i := range 2000 {
			in := engine.Entry{Channel: "a", Limits: engine.Limits{MaxMessages: 20}}
			if key != "" {
				in.Key = fmt.Sprint(key, i)
			}
			if _, err := e.Append(t.Context(), []engine.Entry{in}); err != nil {
				t.Fatal(err)
			}
		}
		if n := keysOf(t, e); n["m"] > 50 || n["k"] > 50 {
			t.Fatalf("%v", n)
		}
	}
}

// Trim removes the bytes, too.
func TestTrimPurges(t *testing.T) {
	e, _ := sweptByHand(t)
	batch := make([]engine.Entry, 5000)
	for i := range batch {
		batch[i] = engine.Entry{Channel: "a", Key: fmt.Sprint(i % 3000)}
	}
	if _, err := e.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := e.Trim(t.Context(), "a", 4990); err != nil {
		t.Fatal(err)
	}
	if n := keysOf(t, e); n["m"] != 10 || n["k"] != 10 {
		t.Fatalf("%v", n)
	}
}
