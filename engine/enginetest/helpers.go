package enginetest

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wirepost/wirepost/engine"
)

// New returns an empty engine that uses the given clock. The suite closes it.
type New func(t *testing.T, c *Clock) engine.Engine

// message returns an entry with only a channel and data.
func message(channel, data string) engine.Entry {
	return engine.Entry{Channel: channel, ID: "id-" + data, Data: []byte(data)}
}

// appendAll appends entries in one call and checks that all of them are stored.
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

// fill appends messages "1", "2", … to a channel, each with the given limits.
func fill(t *testing.T, e engine.Engine, channel string, n int, limits engine.Limits) {
	t.Helper()
	for i := range n {
		in := message(channel, fmt.Sprint(i+1))
		in.Limits = limits
		appendAll(t, e, in)
	}
}

// read reads a whole channel after a sequence, and checks that the page ends at the head.
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

// seqs returns the sequences of a page, that of a revocation negated.
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

// wantLog checks a channel's records, in the form of seqs, and its loss.
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
	if reflect.DeepEqual(got, want) { // much faster
		return
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateErrors()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
