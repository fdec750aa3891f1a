package enginetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

type lister func(ctx context.Context, prefix, after string, max int) ([]string, error)

// checkList checks that a listing returns the names, with various prefixes and page sizes.
func checkList(t *testing.T, list lister, names []string) {
	t.Helper()
	slices.Sort(names)
	starts := append([]string{"", "a", "no", "user:", "\U0010ffff\U0010ffff"}, names...)
	for _, prefix := range starts {
		for _, after := range starts {
			for _, limit := range []int{0, 1, 2, 1000} {
				var want []string
				for _, name := range names {
					if strings.HasPrefix(name, prefix) && name > after && len(want) < limit {
						want = append(want, name)
					}
				}
				got, err := list(t.Context(), prefix, after, limit)
				equal(t, "error", err, nil)
				equal(t, fmt.Sprintf("prefix %q, after %q, at most %d", prefix, after, limit), got, want)
			}
		}
	}
}

var listed = []string{"a", "ab", "abc", "b", "user:1", "user:11", "user:1:1", "user:2", "v", "~", "ÿ", "\U0010ffff"}

func testListUsers(t *testing.T, e engine.Engine, _ *Clock) {
	checkList(t, e.ListUsers, nil)
	for i, name := range listed {
		update := engine.Update{User: name, Devices: []engine.Device{{Name: "d", Cursors: []engine.Cursor{{Channel: "c", Seq: 1}, {Channel: "x", Seq: 1}}}}}
		if i%2 == 0 {
			update = engine.Update{User: name, Marks: []engine.Mark{{Channel: "x"}}}
		}
		save(t, e, update)
	}
	appendAll(t, e, message("user:100", "1")) // nothing else is stored of that user
	checkList(t, e.ListUsers, slices.Clone(listed))
	save(t, e,
		engine.Update{User: "a", Leave: []string{"x"}},
		engine.Update{User: "ab", RemoveDevices: []string{"d"}})
	checkList(t, e.ListUsers, slices.Clone(listed[2:]))
}

func testListChannels(t *testing.T, e engine.Engine, c *Clock) {
	checkList(t, e.ListChannels, nil)
	for _, name := range listed {
		in := message(name, "1")
		in.TTL = time.Minute
		appendAll(t, e, in, message(name, "2"))
	}
	for _, name := range []string{"watched", "read", "trimmed"} { // but never written to
		if _, err := e.Watch(t.Context(), name, new(watcher)); err != nil {
			t.Fatal(err)
		}
		read(t, e, name, 0)
		if err := e.Trim(t.Context(), name, 5); err != nil {
			t.Fatal(err)
		}
		equal(t, "revoke", appendAny(t, e, engine.Entry{Channel: name, Revokes: 3})[0].Err, engine.ErrNotFound)
	}
	save(t, e, engine.Update{User: "u", Join: []string{"member"}})
	checkList(t, e.ListChannels, slices.Clone(listed))
	// A channel whose messages were removed is still listed.
	c.Advance(time.Hour)
	if err := e.Trim(t.Context(), "a", 2); err != nil {
		t.Fatal(err)
	}
	checkList(t, e.ListChannels, slices.Clone(listed))
}
