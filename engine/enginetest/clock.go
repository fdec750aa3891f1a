package enginetest

import (
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

func testClockJumpsBack(t *testing.T, e engine.Engine, c *Clock) {
	first := appendAll(t, e, message("a", "1"))[0]
	c.Jump(-time.Hour)
	c.Advance(time.Second)
	for _, channel := range []string{"a", "b"} {
		equal(t, "time in "+channel, appendAll(t, e, message(channel, "2"))[0].Time, first.Time+1000)
	}
	c.Jump(time.Hour)
	c.Advance(time.Hour)
	equal(t, "time later", appendAll(t, e, message("a", "3"))[0].Time, c.Now().UnixMilli())
}

// testClockJumpsForwardAndBack: a clock jump that is reverted does not affect lifetimes.
func testClockJumpsForwardAndBack(t *testing.T, e engine.Engine, c *Clock) {
	lives := func(data string) engine.Entry {
		in := message("a", data)
		in.TTL, in.Limits.MaxAge = 10*time.Minute, time.Hour
		return in
	}
	start := c.Now().UnixMilli()
	appendAll(t, e, chosen("a", "x"), lives("before"))
	c.Jump(48 * time.Hour)
	equal(t, "repeat during the jump", appendAll(t, e, chosen("a", "x"))[0].Duplicate, true)
	appendAll(t, e, chosen("a", "y"))
	equal(t, "time during the jump", appendAll(t, e, lives("during"))[0].Time, start)
	equal(t, "lives during the jump", count(t, e, "a", 0), 4)
	c.Advance(time.Minute)
	c.Jump(-48 * time.Hour)
	equal(t, "repeat after the jump", appendAll(t, e, chosen("a", "y"))[0].Duplicate, true)
	equal(t, "time after the jump", appendAll(t, e, lives("after"))[0].Time, start+60_000)
	c.Advance(9 * time.Minute)
	equal(t, "the first two have expired", count(t, e, "a", 0), 3)
	c.Advance(time.Minute)
	equal(t, "and the third", count(t, e, "a", 0), 2)
}

// testClockStaysAhead: a jump that was accepted does not extend lifetimes when it is
// reverted later.
func testClockStaysAhead(t *testing.T, e engine.Engine, c *Clock) {
	minutes := func(n int) {
		for range 2 * n {
			c.Advance(30 * time.Second)
			count(t, e, "a", 0) // the engine reads its clock on each call
		}
	}
	appendAll(t, e, chosen("a", "x"))
	c.Jump(48 * time.Hour)
	count(t, e, "a", 0)
	minutes(11)
	in := message("a", "1")
	in.TTL = 10 * time.Minute
	equal(t, "time when believed", appendAll(t, e, in)[0].Time, c.Now().UnixMilli())
	equal(t, "the ID has been forgotten", appendAll(t, e, chosen("a", "x"))[0].Duplicate, false)
	c.Jump(-48 * time.Hour)
	minutes(9)
	equal(t, "lives", count(t, e, "a", 0), 3)
	minutes(11)
	equal(t, "has expired after twice its time", count(t, e, "a", 0), 2)
	equal(t, "repeat", appendAll(t, e, chosen("a", "x"))[0].Duplicate, true)
}
