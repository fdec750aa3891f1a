// Package enginetest is the conformance suite of the engine contract. An engine's
// own tests call Run.
package enginetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wirepost/wirepost/engine"
)

// New makes an empty engine that takes its times from a clock. The suite closes it.
type New func(t *testing.T, c *Clock) engine.Engine

// Run checks an engine against the contract. Its tests run in parallel, and
// neither sleep nor look at the real time.
func Run(t *testing.T, make New) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, e engine.Engine, c *Clock)
	}{
		{"Append/Order", testOrder},
		{"Append/Batch", testBatch},
		{"Append/Fields", testFields},
		{"Append/SimilarNames", testSimilarNames},
		{"Append/Concurrent", testConcurrent},
		{"Clock/JumpsBack", testClockJumpsBack},
		{"Clock/JumpsForwardAndBack", testClockJumpsForwardAndBack},
		{"Clock/StaysAhead", testClockStaysAhead},
		{"Read/Pages", testPages},
		{"Read/Bytes", testBytes},
		{"Read/Before", testPagesBefore},
		{"Read/BeforeBytes", testBytesBefore},
		{"Read/BeforeLost", testLostBefore},
		{"Read/Unknown", testUnknown},
		{"Retain/Age", testAge},
		{"Retain/Count", testCount},
		{"Retain/CountWithHoles", testCountWithHoles},
		{"Retain/CountAfterExpiry", testCountAfterExpiry},
		{"Retain/TimeToLive", testTimeToLive},
		{"Retain/TimeToLiveOrAge", testTimeToLiveOrAge},
		{"Retain/ShorterAge", testShorterAge},
		{"Retain/LossBeforeRevocations", testLossBeforeRevocations},
		{"Retain/Trim", testTrim},
		{"Collapse/Replaces", testCollapse},
		{"Collapse/Gone", testCollapseGone},
		{"Revoke/Message", testRevoke},
		{"Revoke/Missing", testRevokeMissing},
		{"Revoke/SameBatch", testRevokeSameBatch},
		{"Idempotent/Repeat", testRepeat},
		{"Idempotent/SameBatch", testRepeatSameBatch},
		{"Idempotent/Concurrent", testRepeatConcurrent},
		{"Idempotent/Window", testRepeatWindow},
		{"Watch/Boundary", testWatchBoundary},
		{"Watch/Several", testWatchSeveral},
		{"Watch/UnwatchEnds", testUnwatch},
		{"Users/Update", testUpdate},
		{"Users/Merge", testMerge},
		{"Users/MembershipsAreOperations", testMembershipsAreOperations},
		{"List/Users", testListUsers},
		{"List/Channels", testListChannels},
		{"Users/SimilarNames", testSimilarUsers},
		{"Users/Members", testMembers},
		{"Users/Concurrent", testSaveConcurrent},
		{"Context/Ended", testEndedContext},
		{"Close", testClose},
		{"Epoch", testEpoch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := NewClock()
			e := make(t, c)
			t.Cleanup(func() { _ = e.Close() })
			test.run(t, e, c)
		})
	}
	t.Run("Model", func(t *testing.T) { testModel(t, make) })
}

// Clock is the system's clocks, which the test moves.
type Clock struct {
	mu      sync.Mutex
	now     time.Time
	elapsed time.Duration
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// NewClock starts a clock at some noon.
func NewClock() *Clock { return &Clock{now: start} }

// Now is the time that the wall clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Elapsed is how much time has passed.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.elapsed
}

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.elapsed = c.now.Add(d), c.elapsed+d
}

// Jump sets the wall clock forward or back, while no time passes.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// steady is the time without the jumps.
func (c *Clock) steady() time.Time { return start.Add(c.Elapsed()) }

// message is an entry without anything special.
func message(channel, data string) engine.Entry {
	return engine.Entry{Channel: channel, ID: "id-" + data, Data: []byte(data)}
}

// appendAll appends entries in one call and wants all of them stored.
func appendAll(t *testing.T, e engine.Engine, entries ...engine.Entry) []engine.Result {
	t.Helper()
	results := appendAny(t, e, entries...)
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("append entry %d: %v", i, r.Err)
		}
	}
	return results
}

func appendAny(t *testing.T, e engine.Engine, entries ...engine.Entry) []engine.Result {
	t.Helper()
	results, err := e.Append(context.Background(), entries)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	if len(results) != len(entries) {
		t.Fatalf("append: %d results for %d entries", len(results), len(entries))
	}
	return results
}

// fill appends messages "1", "2", … to a channel, each with the limits.
func fill(t *testing.T, e engine.Engine, channel string, n int, limits engine.Limits) {
	t.Helper()
	for i := range n {
		in := message(channel, fmt.Sprint(i+1))
		in.Limits = limits
		appendAll(t, e, in)
	}
}

// read reads a whole channel after a sequence, and wants the page to end at the
// head.
func read(t *testing.T, e engine.Engine, channel string, after uint64) engine.Page {
	t.Helper()
	page, err := e.Read(t.Context(), channel, after, 1<<20, 1<<30)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if want := max(after, bounds(t, e, channel).Head); page.Next != want {
		t.Fatalf("read %q after %d: next is %d, want %d", channel, after, page.Next, want)
	}
	return page
}

func bounds(t *testing.T, e engine.Engine, channel string) engine.Bounds {
	t.Helper()
	b, err := e.Bounds(t.Context(), channel)
	if err != nil {
		t.Fatalf("bounds: %v", err)
	}
	return b
}

func count(t *testing.T, e engine.Engine, channel string, after uint64) int {
	t.Helper()
	n, err := e.Count(t.Context(), channel, after)
	if err != nil {
		t.Fatalf("count: %v", err)
	}
	return n
}

// seqs are the sequences of a page; a revocation's is negative.
func seqs(page engine.Page) []int {
	out := []int{}
	for _, r := range page.Records {
		seq := int(r.Seq)
		if r.Revokes != 0 {
			seq = -seq
		}
		out = append(out, seq)
	}
	return out
}

// wantLog checks what is in a channel: its records, as seqs tells them, and loss.
func wantLog(t *testing.T, e engine.Engine, channel string, want []int, lost uint64) {
	t.Helper()
	page := read(t, e, channel, 0)
	equal(t, "records", seqs(page), want)
	b := bounds(t, e, channel)
	oldest, messages := uint64(0), 0
	for _, seq := range want {
		if seq > 0 {
			messages++
			if oldest == 0 {
				oldest = uint64(seq)
			}
		}
	}
	equal(t, "oldest", b.Oldest, oldest)
	equal(t, "lost", b.Lost, lost)
	equal(t, "page lost", page.Lost, lost != 0)
	equal(t, "count", count(t, e, channel, 0), messages)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateErrors()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
