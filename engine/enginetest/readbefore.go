package enginetest

import (
	"math"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

func readBefore(t *testing.T, e engine.Engine, before uint64, maxRecords, maxBytes int) engine.Page {
	t.Helper()
	page, err := e.ReadBefore(t.Context(), "a", before, maxRecords, maxBytes)
	if err != nil {
		t.Fatalf("read before %d: %v", before, err)
	}
	return page
}

func testPagesBefore(t *testing.T, e engine.Engine, _ *Clock) {
	fill(t, e, "a", 10, engine.Limits{})
	appendAll(t, e, engine.Entry{Channel: "a", Revokes: 7}) // record 11
	before, got := uint64(math.MaxUint64), []int{}
	for range 4 {
		page := readBefore(t, e, before, 3, 1<<20)
		got = append(got, seqs(page)...)
		before = page.Next
	}
	equal(t, "pages", got, []int{-11, 10, 9, 8, 6, 5, 4, 3, 2, 1})
	equal(t, "next after all of it", before, uint64(0))

	equal(t, "before the oldest", readBefore(t, e, 1, 3, 1), engine.Page{})
	equal(t, "before 0", readBefore(t, e, 0, 3, 1), engine.Page{})
	equal(t, "from the head", seqs(readBefore(t, e, 11, 1, 1)), []int{10})
	page := readBefore(t, e, 3, 2, 1<<20)
	equal(t, "exactly the rest", seqs(page), []int{2, 1})
	equal(t, "next after it", page.Next, uint64(0))

	none, err := e.ReadBefore(t.Context(), "none", math.MaxUint64, 1, 1)
	equal(t, "unknown channel", none, engine.Page{})
	equal(t, "unknown channel", err, nil)
}

func testBytesBefore(t *testing.T, e engine.Engine, _ *Clock) {
	for range 4 {
		appendAll(t, e, engine.Entry{Channel: "a", Data: make([]byte, 100)})
	}
	for maxBytes, want := range map[int]int{0: 1, 1: 1, 99: 1, 100: 2, 199: 2, 200: 3, 1000: 4} {
		page := readBefore(t, e, math.MaxUint64, 10, maxBytes)
		next := uint64(5 - want)
		if want == 4 {
			next = 0
		}
		if len(page.Records) != want || page.Next != next {
			t.Fatalf("%d records for %d bytes, next %d, want %d, next %d", len(page.Records), maxBytes, page.Next, want, next)
		}
	}
}

// testLostBefore: the last page reports that retention removed earlier records, and
// contains no expired messages.
func testLostBefore(t *testing.T, e engine.Engine, c *Clock) {
	fill(t, e, "a", 6, engine.Limits{MaxAge: time.Minute})
	c.Advance(time.Minute)
	in := message("a", "short")
	in.TTL, in.Limits.MaxAge = time.Second, time.Minute
	appendAll(t, e, in)                                                                                 // 7
	fill(t, e, "a", 4, engine.Limits{MaxAge: time.Minute})                                              // 8 to 11
	appendAll(t, e, engine.Entry{Channel: "a", Revokes: 9, Limits: engine.Limits{MaxAge: time.Minute}}) // 12
	c.Advance(time.Second)

	page := readBefore(t, e, math.MaxUint64, 3, 1<<20)
	equal(t, "newest", seqs(page), []int{-12, 11, 10})
	equal(t, "newest next", page.Next, uint64(10))
	equal(t, "newest lost", page.Lost, false)
	page = readBefore(t, e, page.Next, 3, 1<<20)
	equal(t, "oldest", seqs(page), []int{8})
	equal(t, "oldest next", page.Next, uint64(0))
	equal(t, "oldest lost", page.Lost, true)
	equal(t, "all gone", readBefore(t, e, 5, 3, 1), engine.Page{Lost: true})
}
