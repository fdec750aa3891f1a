package pebble

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/internal/clock"
)

// TestClockOfTheStore: a store that was written while the clock was two days ahead
// goes on from there when it is opened with the right time.
func TestClockOfTheStore(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), enginetest.NewClock()
	open := func() *Engine {
		e, err := Open("store", Options{
			FS: fs, Now: c.Now, Elapsed: c.Elapsed, SweepEvery: time.Hour, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	add := func(id string, ttl time.Duration) engine.Result {
		t.Helper()
		r, err := e.Append(t.Context(), []engine.Entry{{Channel: "a", ID: id, Idempotent: true, TTL: ttl}})
		if err != nil {
			t.Fatal(err)
		}
		return r[0]
	}
	c.Jump(48 * time.Hour)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open() // the first look at the wall clock is believed
	ahead := add("x", 0)
	if ahead.Time != c.Now().UnixMilli() {
		t.Fatalf("the time is %d", ahead.Time)
	}
	if err := e.sweep(); err != nil { // it stores the time
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	c.Jump(-48 * time.Hour)
	e = open()
	defer func() { _ = e.Close() }()
	if r := add("x", 0); !r.Duplicate || r.Seq != ahead.Seq {
		t.Errorf("a repeat: %+v", r)
	}
	if r := add("y", 10*time.Minute); r.Time < ahead.Time {
		t.Errorf("the time went from %d to %d", ahead.Time, r.Time)
	}
	c.Advance(21 * time.Minute) // at half speed
	if n, err := e.Count(t.Context(), "a", 0); n != 1 || err != nil {
		t.Errorf("%d messages, %v; one has expired", n, err)
	}
	if n := e.Clock().Jumps(); n != 1 {
		t.Errorf("%d jumps", n)
	}
}

// TestHeadInTheFuture: in a store that an earlier version wrote, a channel may have a
// head in the future. Lifetimes begin now all the same.
func TestHeadInTheFuture(t *testing.T) {
	t.Parallel()
	e, c := sweptByHand(t)
	right := e.clock
	add := func(in engine.Entry) engine.Result {
		t.Helper()
		in.Channel = "a"
		r, err := e.Append(t.Context(), []engine.Entry{in})
		if err != nil {
			t.Fatal(err)
		}
		return r[0]
	}
	e.clock = clock.New(clock.Source{Wall: func() time.Time { return c.Now().Add(48 * time.Hour) }}, time.Time{}, e.log)
	ahead := add(engine.Entry{})
	e.clock = right
	in := engine.Entry{ID: "x", Idempotent: true, TTL: 10 * time.Minute, Limits: engine.Limits{MaxAge: time.Hour}}
	first := add(in)
	if first.Time != ahead.Time {
		t.Errorf("the time went from %d to %d", ahead.Time, first.Time)
	}
	if r := add(in); !r.Duplicate {
		t.Errorf("a repeat: %+v", r)
	}
	add(engine.Entry{Limits: engine.Limits{MaxAge: time.Hour}})
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 3}, {10 * time.Minute, 2}, {50 * time.Minute, 1}} {
		c.Advance(step.wait)
		if n, err := e.Count(t.Context(), "a", 0); n != step.want || err != nil {
			t.Errorf("%d messages, %v; want %d", n, err, step.want)
		}
	}
}

// TestIDsOfEarlierRuns: a chosen ID is remembered for a day, in whichever run of the store
// it was appended, and whether or not the run knows all IDs yet.
func TestIDsOfEarlierRuns(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), enginetest.NewClock()
	open := func() *Engine {
		e, err := Open("store", Options{FS: fs, Now: c.Now, Elapsed: c.Elapsed, SweepEvery: time.Hour, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	defer func() { _ = e.Close() }()
	repeated := func(hour int) bool {
		t.Helper()
		r, err := e.Append(t.Context(), []engine.Entry{{Channel: "a", ID: fmt.Sprint(hour), Idempotent: true}})
		if err != nil {
			t.Fatal(err)
		}
		return r[0].Duplicate
	}
	for hour := range 120 {
		if hour%7 == 0 {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = open()
		}
		for _, age := range []int{23, 12, 1} {
			if hour >= age && !repeated(hour-age) {
				t.Fatalf("at hour %d, the ID of %d hours ago is appended again", hour, age)
			}
		}
		if repeated(hour) {
			t.Fatalf("at hour %d, a new ID is taken for a repeat", hour)
		}
		if err := e.sweep(); err != nil {
			t.Fatal(err)
		}
		c.Advance(time.Hour)
	}
}
