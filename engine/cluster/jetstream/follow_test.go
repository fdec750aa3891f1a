package jetstream_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
)

// TestHole: entries that were lost on their way to a follower are asked for again, and are not
// taken for entries that the log does not have any more.
func TestHole(t *testing.T) {
	t.Parallel()
	l, err := openExternal(t, startNATS(t, func(*server.Options) {}).ClientURL(), 1, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if err := l.Propose(t.Context(), 0, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	none := func(int) bool { return false }
	second := func(n int) bool { return n == 2 }
	for _, tc := range []struct {
		name string
		lost func(int) bool
	}{{"nothing is lost", none}, {"one entry", second}, {"several", func(n int) bool { return n%4 == 0 && n < 20 }}} {
		got, err := jetstream.Fetch(t.Context(), l, 0, 0, 6, tc.lost)
		if err != nil || !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 6}) {
			t.Errorf("%s: got %v, %v", tc.name, got, err)
		}
	}
	// Each response begins with the entry that is lost.
	got, err := jetstream.Fetch(t.Context(), l, 0, 0, 6, func(n int) bool { return (n-1)%7 == 0 })
	if err == nil || errors.Is(err, cluster.ErrTrimmed) || len(got) > 0 {
		t.Errorf("the first entry is always lost: got %v, %v", got, err)
	}
	if err := l.Trim(t.Context(), 0, 3); err != nil {
		t.Fatal(err)
	}
	if got, err := jetstream.Fetch(t.Context(), l, 0, 2, 6, second); !errors.Is(err, cluster.ErrTrimmed) {
		t.Errorf("after 2 of a log that begins at 4: got %v, %v, want ErrTrimmed", got, err)
	}
	if got, err := jetstream.Fetch(t.Context(), l, 0, 3, 6, none); err != nil || !slices.Equal(got, []uint64{4, 5, 6}) {
		t.Errorf("after 3 of a log that begins at 4: got %v, %v", got, err)
	}
}
