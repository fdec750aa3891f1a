package enginetest

import (
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

func testCollapse(t *testing.T, e engine.Engine, _ *Clock) {
	keyed := func(channel, key string) engine.Entry { return engine.Entry{Channel: channel, Key: key} }
	appendAll(t, e, keyed("a", "k"), keyed("a", "j"), keyed("b", "k"))
	appendAll(t, e, keyed("a", "k"))
	wantLog(t, e, "a", []int{2, 3}, 0)
	wantLog(t, e, "b", []int{1}, 0)
	appendAll(t, e, keyed("a", "k"), keyed("a", "k"), keyed("a", ""), keyed("a", ""))
	wantLog(t, e, "a", []int{2, 5, 6, 7}, 0)
	equal(t, "prev", read(t, e, "a", 4).Records[0].Prev, uint64(4))
}

// A key whose message was already removed replaces nothing.
func testCollapseGone(t *testing.T, e engine.Engine, c *Clock) {
	in := engine.Entry{Channel: "a", Key: "k"}
	plain := engine.Entry{Channel: "a"}
	appendAll(t, e, in, plain, engine.Entry{Channel: "a", Revokes: 1}, in)
	wantLog(t, e, "a", []int{2, -3, 4}, 0)
	if err := e.Trim(t.Context(), "a", 4); err != nil {
		t.Fatal(err)
	}
	in.TTL = time.Minute
	appendAll(t, e, plain, in)
	wantLog(t, e, "a", []int{5, 6}, 4)
	c.Advance(time.Hour)
	in.TTL, in.Limits.MaxAge = 0, time.Minute
	appendAll(t, e, plain, in)
	wantLog(t, e, "a", []int{5, 7, 8}, 4)
	c.Advance(time.Hour)
	in.Limits = engine.Limits{MaxMessages: 2}
	appendAll(t, e, in)
	equal(t, "live", count(t, e, "a", 0), 2)
	appendAll(t, e, plain, plain, in)
	wantLog(t, e, "a", []int{11, 12}, 10)
}

func testRevoke(t *testing.T, e engine.Engine, c *Clock) {
	appendAll(t, e, message("a", "1"), message("a", "2"), message("b", "1"))
	c.Advance(time.Second)
	r := appendAll(t, e, engine.Entry{Channel: "a", Revokes: 1, ID: "other", Data: []byte("none")})[0]
	equal(t, "result", r, engine.Result{Seq: 3, Prev: 2, Time: c.Now().UnixMilli(), ID: "id-1"})
	page := read(t, e, "a", 0)
	equal(t, "revocation", page.Records[1], &engine.Record{
		Seq: 3, Prev: 2, Revokes: 1, Time: c.Now().UnixMilli(), ID: "id-1",
	})
	wantLog(t, e, "a", []int{2, -3}, 0)
	wantLog(t, e, "b", []int{1}, 0)
	appendAll(t, e, engine.Entry{Channel: "a", Revokes: 2, Limits: engine.Limits{MaxAge: time.Minute}})
	wantLog(t, e, "a", []int{-3, -4}, 0)
	c.Advance(time.Minute)
	equal(t, "an old revocation", seqs(read(t, e, "a", 0)), []int{-3})
}

func testRevokeMissing(t *testing.T, e engine.Engine, _ *Clock) {
	appendAll(t, e, message("a", "1"), message("a", "2"), engine.Entry{Channel: "a", Revokes: 1})
	for _, seq := range []uint64{1, 3, 4, 99} { // revoked, a revocation, unknown, unknown
		rs := appendAny(t, e, engine.Entry{Channel: "a", Revokes: seq}, engine.Entry{Channel: "b"})
		equal(t, "revoke", rs[0], engine.Result{Err: engine.ErrNotFound})
		equal(t, "the other entry", rs[1].Err, nil)
	}
	wantLog(t, e, "a", []int{2, -3}, 0)
}

func testRevokeSameBatch(t *testing.T, e engine.Engine, _ *Clock) {
	keyed := engine.Entry{Channel: "a", ID: "x", Key: "k"}
	revoke := engine.Entry{Channel: "a", Revokes: 1}
	rs := appendAny(t, e, keyed, revoke, revoke, keyed)
	equal(t, "id", rs[1].ID, "x")
	equal(t, "second revocation", rs[2].Err, engine.ErrNotFound)
	wantLog(t, e, "a", []int{-2, 3}, 0)
}
