package enginetest

import (
	"math"
	"testing"

	"github.com/wirepost/wirepost/engine"
)

func testPages(t *testing.T, e engine.Engine, _ *Clock) {
	fill(t, e, "a", 10, engine.Limits{})
	after, got := uint64(0), []int{}
	for range 4 {
		page, err := e.Read(t.Context(), "a", after, 3, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, seqs(page)...)
		if n := len(page.Records); n > 0 && page.Next != page.Records[n-1].Seq {
			t.Fatalf("next is %d after record %d", page.Next, page.Records[n-1].Seq)
		}
		after = page.Next
	}
	equal(t, "pages", got, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	equal(t, "end", after, uint64(10))

	for _, beyond := range []uint64{10, 11, math.MaxUint64} {
		equal(t, "beyond the head", read(t, e, "a", beyond), engine.Page{Next: beyond})
		equal(t, "count beyond the head", count(t, e, "a", beyond), 0)
	}
	equal(t, "count", count(t, e, "a", 4), 6)
}

func testBytes(t *testing.T, e engine.Engine, _ *Clock) {
	for range 4 {
		appendAll(t, e, engine.Entry{Channel: "a", Data: make([]byte, 100)})
	}
	for maxBytes, want := range map[int]int{0: 1, 1: 1, 99: 1, 100: 2, 199: 2, 200: 3, 1000: 4} {
		page, err := e.Read(t.Context(), "a", 0, 10, maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Records) != want || page.Next != uint64(want) {
			t.Fatalf("%d records for %d bytes, next %d, want %d", len(page.Records), maxBytes, page.Next, want)
		}
	}
}

func testUnknown(t *testing.T, e engine.Engine, _ *Clock) {
	wantLog(t, e, "none", nil, 0)
	equal(t, "bounds", bounds(t, e, "none"), engine.Bounds{})
	equal(t, "page", read(t, e, "none", 7), engine.Page{Next: 7})
	if err := e.Trim(t.Context(), "none", 10); err != nil {
		t.Fatal(err)
	}
	equal(t, "revoke", appendAny(t, e, engine.Entry{Channel: "none", Revokes: 3})[0].Err, engine.ErrNotFound)
	equal(t, "bounds", bounds(t, e, "none"), engine.Bounds{})
	equal(t, "first", appendAll(t, e, message("none", "1"))[0].Prev, uint64(0))
}
