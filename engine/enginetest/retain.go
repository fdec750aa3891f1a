package enginetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

func testAge(t *testing.T, e engine.Engine, c *Clock) {
	limits := engine.Limits{MaxAge: time.Hour}
	fill(t, e, "a", 2, limits)
	c.Advance(30 * time.Minute)
	fill(t, e, "a", 2, limits)
	c.Advance(30*time.Minute - time.Millisecond)
	wantLog(t, e, "a", []int{1, 2, 3, 4}, 0)
	c.Advance(time.Millisecond)
	wantLog(t, e, "a", []int{3, 4}, 2)
	equal(t, "lost behind it", read(t, e, "a", 2).Lost, false)
	equal(t, "lost in it", read(t, e, "a", 1).Lost, true)
	c.Advance(time.Hour)
	wantLog(t, e, "a", nil, 4)
	fill(t, e, "a", 1, limits)
	wantLog(t, e, "a", []int{5}, 4)
	equal(t, "prev", read(t, e, "a", 0).Records[0].Prev, uint64(4))
}

func testCount(t *testing.T, e engine.Engine, _ *Clock) {
	limits := engine.Limits{MaxMessages: 5}
	fill(t, e, "a", 5, limits)
	wantLog(t, e, "a", []int{1, 2, 3, 4, 5}, 0)
	fill(t, e, "a", 3, limits)
	wantLog(t, e, "a", []int{4, 5, 6, 7, 8}, 3)
	equal(t, "lost behind it", read(t, e, "a", 3).Lost, false)
	limits.MaxMessages = 2 // the limit of the latest append applies
	fill(t, e, "a", 1, limits)
	wantLog(t, e, "a", []int{8, 9}, 7)
	fill(t, e, "a", 2, engine.Limits{})
	wantLog(t, e, "a", []int{8, 9, 10, 11}, 7)

	one := message("b", "x")
	one.Limits.MaxMessages = 1
	appendAll(t, e, one, one, one)
	wantLog(t, e, "b", []int{3}, 2)

	fill(t, e, "c", 200, engine.Limits{MaxMessages: 10})
	wantLog(t, e, "c", []int{191, 192, 193, 194, 195, 196, 197, 198, 199, 200}, 190)
}

// Revocations and collapsed messages do not count towards the limit.
func testCountWithHoles(t *testing.T, e engine.Engine, _ *Clock) {
	limits := engine.Limits{MaxMessages: 4}
	push := func(key string) engine.Entry {
		return engine.Entry{Channel: "a", Key: key, Limits: limits}
	}
	revoke := func(seq uint64) engine.Entry {
		return engine.Entry{Channel: "a", Revokes: seq, Limits: limits}
	}
	fill(t, e, "whole", 10, engine.Limits{})
	appendAll(t, e, engine.Entry{Channel: "whole", Revokes: 5, Limits: limits}) // makes the first hole
	wantLog(t, e, "whole", []int{7, 8, 9, 10, -11}, 6)

	appendAll(t, e, push(""), push("k"), push(""), revoke(1), push("k"))
	wantLog(t, e, "a", []int{3, -4, 5}, 0)
	appendAll(t, e, push(""), push("j"))
	wantLog(t, e, "a", []int{3, -4, 5, 6, 7}, 0)
	appendAll(t, e, push("j")) // replaces one: nothing is dropped
	wantLog(t, e, "a", []int{3, -4, 5, 6, 8}, 0)
	appendAll(t, e, push(""))
	wantLog(t, e, "a", []int{-4, 5, 6, 8, 9}, 3)
	appendAll(t, e, push("k"))
	wantLog(t, e, "a", []int{-4, 6, 8, 9, 10}, 3)
	appendAll(t, e, push(""), push("new"))
	wantLog(t, e, "a", []int{9, 10, 11, 12}, 8)
	limits.MaxMessages = 1
	appendAll(t, e, revoke(11))
	wantLog(t, e, "a", []int{12, -13}, 10)
}

// Expired messages do not count towards the limit.
func testCountAfterExpiry(t *testing.T, e engine.Engine, c *Clock) {
	limits := engine.Limits{MaxMessages: 3}
	short := engine.Entry{Channel: "a", TTL: time.Minute, Limits: limits}
	long := engine.Entry{Channel: "a", Limits: limits}
	appendAll(t, e, long, short, short)
	c.Advance(time.Minute)
	appendAll(t, e, long, long)
	wantLog(t, e, "a", []int{1, 4, 5}, 0)
	appendAll(t, e, short)
	wantLog(t, e, "a", []int{4, 5, 6}, 1)
	c.Advance(time.Minute)
	appendAll(t, e, long, long)
	wantLog(t, e, "a", []int{5, 7, 8}, 4)
}

func testTimeToLive(t *testing.T, e engine.Engine, c *Clock) {
	in := message("a", "x")
	in.TTL = time.Minute
	keyed := in
	keyed.Key = "k"
	appendAll(t, e, message("a", "1"), in, keyed, message("a", "4"))
	c.Advance(time.Minute - time.Millisecond)
	wantLog(t, e, "a", []int{1, 2, 3, 4}, 0)
	c.Advance(time.Millisecond)
	wantLog(t, e, "a", []int{1, 4}, 0)
	equal(t, "revoke", appendAny(t, e, engine.Entry{Channel: "a", Revokes: 2})[0].Err, engine.ErrNotFound)
	keyed.TTL = 0
	appendAll(t, e, keyed)
	wantLog(t, e, "a", []int{1, 4, 5}, 0)

	// Times are in milliseconds: a lifetime is rounded up.
	for ttl, want := range map[time.Duration]int64{
		1: 1, time.Millisecond - 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, math.MaxInt64: math.MaxInt64/int64(time.Millisecond) + 1,
	} {
		in.Channel, in.TTL = fmt.Sprint("for ", ttl), ttl
		appendAll(t, e, in)
		equal(t, in.Channel, read(t, e, in.Channel, 0).Records[0].Expires, c.Now().UnixMilli()+want)
		if want > 10 {
			continue
		}
		c.Advance(time.Duration(want-1) * time.Millisecond)
		wantLog(t, e, in.Channel, []int{1}, 0)
		c.Advance(time.Millisecond)
		wantLog(t, e, in.Channel, nil, 0)
	}
}

// If the time to live expires before the maximum age, the removal is not a loss.
func testTimeToLiveOrAge(t *testing.T, e engine.Engine, c *Clock) {
	in := func(ttl time.Duration) engine.Entry {
		return engine.Entry{Channel: "a", TTL: ttl, Limits: engine.Limits{MaxAge: time.Hour}}
	}
	appendAll(t, e, in(2*time.Hour), in(time.Hour), in(time.Minute), in(0))
	c.Advance(time.Hour - 1)
	wantLog(t, e, "a", []int{1, 2, 4}, 0)
	c.Advance(1)
	wantLog(t, e, "a", nil, 4)
	appendAll(t, e, in(time.Hour))
	c.Advance(2 * time.Hour)
	wantLog(t, e, "a", nil, 4)
}

// A record keeps the maximum age that it was appended with.
func testShorterAge(t *testing.T, e engine.Engine, c *Clock) {
	in := func(age time.Duration) engine.Entry {
		return engine.Entry{Channel: "a", Limits: engine.Limits{MaxAge: age}}
	}
	appendAll(t, e, in(time.Hour), in(time.Minute), in(time.Hour), in(0))
	c.Advance(time.Minute)
	page := read(t, e, "a", 0)
	equal(t, "records", seqs(page), []int{1, 3, 4})
	equal(t, "lost", page.Lost, true)
	equal(t, "count", count(t, e, "a", 0), 3)
	c.Advance(time.Hour)
	wantLog(t, e, "a", []int{4}, 3)
}

// A loss is reported by the page that covers it, even when only revocations follow it, or
// nothing at all.
func testLossBeforeRevocations(t *testing.T, e engine.Engine, _ *Clock) {
	limits := engine.Limits{MaxMessages: 2}
	fill(t, e, "a", 6, limits)
	appendAll(t, e, engine.Entry{Channel: "a", Revokes: 5, Limits: limits}, engine.Entry{Channel: "a", Revokes: 6, Limits: limits})
	wantLog(t, e, "a", []int{-7, -8}, 4)
	for after, lost := range map[uint64]bool{1: true, 3: true, 4: false, 7: false} {
		for _, most := range []int{1, 10} {
			page, err := e.Read(t.Context(), "a", after, most, 1<<20)
			if err != nil || page.Lost != lost {
				t.Errorf("%d records after %d: lost %v, %v; want %v", most, after, page.Lost, err, lost)
			}
		}
	}
	if err := e.Trim(t.Context(), "a", 8); err != nil {
		t.Fatal(err)
	}
	equal(t, "page", read(t, e, "a", 7), engine.Page{Next: 8, Lost: true})
}

func testTrim(t *testing.T, e engine.Engine, c *Clock) {
	trim := func(through uint64) {
		t.Helper()
		if err := e.Trim(t.Context(), "a", through); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, e, "a", 5, engine.Limits{})
	trim(2)
	wantLog(t, e, "a", []int{3, 4, 5}, 2)
	trim(1)
	wantLog(t, e, "a", []int{3, 4, 5}, 2)
	appendAll(t, e, engine.Entry{Channel: "a", Revokes: 4}, engine.Entry{Channel: "a", TTL: time.Minute})
	c.Advance(time.Minute)
	wantLog(t, e, "a", []int{3, 5, -6}, 2)
	trim(4) // holes are not a loss
	wantLog(t, e, "a", []int{5, -6}, 3)
	trim(1 << 40)
	wantLog(t, e, "a", nil, 6)
	equal(t, "bounds", bounds(t, e, "a"), engine.Bounds{Head: 7, Lost: 6})
	equal(t, "sequences go on", appendAll(t, e, message("a", "x"))[0].Prev, uint64(7))
	wantLog(t, e, "a", []int{8}, 6)
}
