package enginetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

func testOrder(t *testing.T, e engine.Engine, c *Clock) {
	var last engine.Result
	for i := range 20 {
		r := appendAll(t, e, message("a", fmt.Sprint(i)))[0]
		if r.Seq <= last.Seq || r.Prev != last.Seq || r.Duplicate {
			t.Fatalf("append %d returned %+v after %+v", i, r, last)
		}
		equal(t, "id", r.ID, fmt.Sprint("id-", i))
		equal(t, "time", r.Time, c.Now().UnixMilli())
		last = r
	}
	page := read(t, e, "a", 0)
	equal(t, "length", len(page.Records), 20)
	for i, r := range page.Records {
		equal(t, "data", string(r.Data), fmt.Sprint(i))
	}
	equal(t, "head", bounds(t, e, "a").Head, last.Seq)
}

func testBatch(t *testing.T, e engine.Engine, _ *Clock) {
	rs := appendAll(t, e,
		message("a", "1"), message("b", "2"), message("a", "3"), message("c", "4"), message("a", "5"))
	equal(t, "order in a", rs[0].Seq == rs[2].Prev && rs[2].Seq == rs[4].Prev, true)
	equal(t, "first of b and c", rs[1].Prev+rs[3].Prev, uint64(0))
	for channel, want := range map[string]int{"a": 3, "b": 1, "c": 1} {
		equal(t, channel, len(read(t, e, channel, 0).Records), want)
	}
	if rs, err := e.Append(t.Context(), nil); err != nil || len(rs) != 0 {
		t.Fatalf("append of no entries returned %v, %v", rs, err)
	}
}

func testFields(t *testing.T, e engine.Engine, c *Clock) {
	in := engine.Entry{
		Channel: "a", ID: "the id", Key: "the key", ContentType: "text/plain; charset=utf-8", From: "ünal",
		Trace: "trace \x00\xff", TTL: 90 * time.Second, Data: []byte("bytes \x00\xff"), Limits: engine.Limits{MaxAge: time.Hour, MaxMessages: 10},
	}
	r := appendAll(t, e, in, engine.Entry{Channel: "a"})
	now := c.Now().UnixMilli()
	equal(t, "records", read(t, e, "a", 0).Records, []*engine.Record{{
		Seq: r[0].Seq, Time: now, Expires: now + 90_000, ID: in.ID, Key: in.Key,
		ContentType: in.ContentType, From: in.From, Trace: in.Trace, Data: in.Data,
	}, {
		Seq: r[1].Seq, Prev: r[0].Seq, Time: now,
	}})
}

func testSimilarNames(t *testing.T, e engine.Engine, _ *Clock) {
	names := []string{"a", "ab", "abc", "a0", "b", "user:1", "user:11", "user:1:1", "ÿ", "\U0010ffff"}
	for round := range 2 {
		for _, name := range names {
			in := message(name, name)
			in.Key = "k"
			if round == 0 {
				in.TTL, in.Idempotent = time.Hour, true
			}
			appendAll(t, e, in)
		}
	}
	if err := e.Trim(t.Context(), "a", 9); err != nil {
		t.Fatal(err)
	}
	for _, name := range names[1:] {
		page := read(t, e, name, 0)
		if len(page.Records) != 1 || string(page.Records[0].Data) != name || page.Lost {
			t.Fatalf("%q holds %+v", name, page)
		}
	}
}

func testConcurrent(t *testing.T, e engine.Engine, _ *Clock) {
	const publishers, each = 16, 50
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				in := message("shared", fmt.Sprint(p, " ", i))
				rs, err := e.Append(t.Context(), []engine.Entry{in, message(fmt.Sprint("own", p), "x")})
				if err != nil {
					t.Error(err)
					return
				}
				// A record can be read once its append has returned.
				page, err := e.Read(t.Context(), "shared", rs[0].Prev, 1, 1)
				if err != nil || len(page.Records) != 1 || page.Records[0].ID != in.ID {
					t.Errorf("read after append: %v, %v", page, err)
				}
			}
		})
	}
	wg.Wait()
	page := read(t, e, "shared", 0)
	equal(t, "length", len(page.Records), publishers*each)
	next := make([]int, publishers)
	prev := uint64(0)
	for _, r := range page.Records {
		var p, i int
		if _, err := fmt.Sscan(string(r.Data), &p, &i); err != nil {
			t.Fatal(err)
		}
		if r.Prev != prev || i != next[p] {
			t.Fatalf("record %d follows %d, message %d of publisher %d", r.Seq, r.Prev, i, p)
		}
		next[p]++
		prev = r.Seq
	}
	for p := range publishers {
		equal(t, "own", count(t, e, fmt.Sprint("own", p), 0), each)
	}
}

func testClose(t *testing.T, e engine.Engine, _ *Clock) {
	appendAll(t, e, message("a", "1"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if _, err := e.Append(t.Context(), []engine.Entry{message("a", "2")}); err != nil {
					if err != engine.ErrClosed {
						t.Errorf("append while closing: %v", err)
					}
					return
				}
			}
		})
	}
	w := new(watcher)
	if _, err := e.Watch(t.Context(), "a", w); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	seen := w.len()
	wg.Wait()
	equal(t, "watched after close", w.len(), seen)
	_, appendErr := e.Append(t.Context(), []engine.Entry{message("a", "3")})
	_, readErr := e.Read(t.Context(), "a", 0, 1, 1)
	_, beforeErr := e.ReadBefore(t.Context(), "a", 9, 1, 1)
	_, boundsErr := e.Bounds(t.Context(), "a")
	_, countErr := e.Count(t.Context(), "a", 0)
	_, watchErr := e.Watch(t.Context(), "a", w)
	_, loadErr := e.Load(t.Context(), "u")
	_, membersErr := e.Members(t.Context(), "a", "", 1)
	_, usersErr := e.ListUsers(t.Context(), "", "", 1)
	_, channelsErr := e.ListChannels(t.Context(), "", "", 1)
	for name, err := range map[string]error{
		"append": appendErr, "read": readErr, "read before": beforeErr, "bounds": boundsErr, "count": countErr, "watch": watchErr,
		"load": loadErr, "members": membersErr, "list users": usersErr, "list channels": channelsErr,
		"save": e.Save(t.Context(), []engine.Update{{User: "u"}}, true), "trim": e.Trim(t.Context(), "a", 1), "close": e.Close(),
	} {
		equal(t, name+" after close", err, engine.ErrClosed)
	}
	e.Unwatch("a", w)
}

func testEpoch(t *testing.T, e engine.Engine, _ *Clock) {
	first := e.Epoch()
	if again := e.Epoch(); first == "" || again != first {
		t.Fatalf("epoch %q, then %q", first, again)
	}
}
