package enginetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

func chosen(channel, id string) engine.Entry {
	return engine.Entry{Channel: channel, ID: id, Idempotent: true, Data: []byte(id)}
}

func testRepeat(t *testing.T, e engine.Engine, c *Clock) {
	in := chosen("a", "x")
	in.Key = "k"
	first := appendAll(t, e, in)[0]
	equal(t, "first", first, engine.Result{Seq: 1, Time: c.Now().UnixMilli(), ID: "x"})
	c.Advance(time.Minute)
	again := first
	again.Duplicate = true
	equal(t, "repeat", appendAll(t, e, in)[0], again)
	equal(t, "another id", appendAll(t, e, chosen("a", "y"))[0].Seq, uint64(2))
	equal(t, "another channel", appendAll(t, e, chosen("b", "x"))[0].Seq, uint64(1))
	plain := in
	plain.Idempotent, plain.Key = false, ""
	equal(t, "not chosen", appendAll(t, e, plain)[0].Duplicate, false)
	wantLog(t, e, "a", []int{1, 2, 3}, 0)
	// The ID is remembered after the message is removed.
	appendAll(t, e, engine.Entry{Channel: "a", Revokes: 1})
	equal(t, "repeat after a revocation", appendAll(t, e, in)[0], again)
	wantLog(t, e, "a", []int{2, 3, -4}, 0)
}

func testRepeatSameBatch(t *testing.T, e engine.Engine, _ *Clock) {
	rs := appendAll(t, e, chosen("a", "x"), chosen("a", "y"), chosen("a", "x"), message("a", "z"))
	equal(t, "duplicates", []bool{rs[0].Duplicate, rs[1].Duplicate, rs[2].Duplicate, rs[3].Duplicate},
		[]bool{false, false, true, false})
	equal(t, "seq", rs[2].Seq, rs[0].Seq)
	wantLog(t, e, "a", []int{1, 2, 3}, 0)
}

func testRepeatConcurrent(t *testing.T, e engine.Engine, _ *Clock) {
	const publishers, ids = 8, 25
	var mu sync.Mutex
	results := make(map[string]map[uint64]int) // id → seq → results that were not duplicates
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for i := range ids {
				id := fmt.Sprint(i)
				rs, err := e.Append(t.Context(), []engine.Entry{chosen("a", id)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if results[id] == nil {
					results[id] = make(map[uint64]int)
				}
				if !rs[0].Duplicate {
					results[id][rs[0].Seq]++
				} else {
					results[id][rs[0].Seq] += 0
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, bySeq := range results {
		if len(bySeq) != 1 {
			t.Fatalf("id %s: results %v", id, bySeq)
		}
		for seq, firsts := range bySeq {
			if firsts != 1 {
				t.Fatalf("id %s, sequence %d: %d results without Duplicate", id, seq, firsts)
			}
		}
	}
	equal(t, "messages", count(t, e, "a", 0), ids)
}

func testRepeatWindow(t *testing.T, e engine.Engine, c *Clock) {
	for day := range 3 { // across midnights
		appendAll(t, e, chosen("a", "x"))
		for range 23 {
			c.Advance(time.Hour)
			equal(t, "young", appendAll(t, e, chosen("a", "x"))[0].Duplicate, true)
		}
		c.Advance(time.Hour - time.Millisecond)
		equal(t, "at the end", appendAll(t, e, chosen("a", "x"))[0].Duplicate, true)
		c.Advance(time.Millisecond)
		equal(t, "messages", count(t, e, "a", 0), day+1)
	}
}

// alternating returns an entry with one of two IDs that forget each other.
func alternating(id, other string) engine.Entry {
	in := chosen("a", id)
	in.Forgets = other
	return in
}

func testForgets(t *testing.T, e engine.Engine, c *Clock) {
	on, off := alternating("on", "off"), alternating("off", "on")
	equal(t, "off first", appendAll(t, e, off)[0].Duplicate, false)
	rs := appendAll(t, e, on, on, off, off, on)
	equal(t, "in one batch", []bool{rs[0].Duplicate, rs[1].Duplicate, rs[2].Duplicate, rs[3].Duplicate, rs[4].Duplicate},
		[]bool{false, true, false, true, false})
	equal(t, "the duplicate", rs[1].Seq, rs[0].Seq)
	c.Advance(23 * time.Hour) // to another day
	equal(t, "a duplicate on another day", appendAll(t, e, on)[0].Duplicate, true)
	if r, ok := e.(Reopener); ok {
		equal(t, "reopen", r.Reopen(), nil)
	}
	equal(t, "after a day", appendAll(t, e, off)[0].Duplicate, false)
	equal(t, "forgotten", appendAll(t, e, on)[0].Duplicate, false)
	// A duplicate forgets nothing, and only the channel's own IDs are forgotten.
	other := alternating("on", "off")
	other.Channel = "b"
	appendAll(t, e, on, other)
	equal(t, "still remembered", appendAll(t, e, on)[0].Duplicate, true)
	unknown := alternating("x", "never used")
	equal(t, "forgets nothing", appendAll(t, e, unknown)[0].Duplicate, false)
}

// testForgetsConcurrent: entries with two IDs that forget each other alternate in the log.
func testForgetsConcurrent(t *testing.T, e engine.Engine, _ *Clock) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			in := alternating("on", "off")
			if i%2 == 1 {
				in = alternating("off", "on")
			}
			for range 25 {
				if _, err := e.Append(t.Context(), []engine.Entry{in}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	page, err := e.Read(t.Context(), "a", 0, 1000, 1<<20)
	equal(t, "read", err, nil)
	for i := 1; i < len(page.Records); i++ {
		if page.Records[i].ID == page.Records[i-1].ID {
			t.Fatalf("%q twice, at %d", page.Records[i].ID, page.Records[i].Seq)
		}
	}
	if len(page.Records) == 0 {
		t.Fatal("nothing was stored")
	}
}
