package cluster

import (
	"testing"
	"time"
)

// TestTrimmable: a member that is too far behind is not waited for.
func TestTrimmable(t *testing.T) {
	t.Parallel()
	keep := Keep{Entries: 100, Bytes: 1000, Age: time.Second}
	at := func(durable, size uint64, when int64) member { return member{report{"n", 1, durable, size}, when} }
	for name, c := range map[string]struct {
		members []member
		want    uint64
	}{
		"nobody":        {nil, 500},
		"all":           {[]member{at(450, 4900, 9000), at(470, 4900, 9500)}, 450},
		"entries":       {[]member{at(399, 4900, 9000), at(470, 4900, 9500)}, 470},
		"bytes":         {[]member{at(450, 3999, 9000), at(470, 4900, 9500)}, 470},
		"age":           {[]member{at(450, 4900, 8999), at(470, 4900, 9500)}, 470},
		"at the bounds": {[]member{at(400, 4000, 9000), at(470, 4900, 9500)}, 400},
		"ahead":         {[]member{at(501, 5001, 10_000), at(470, 4900, 9500)}, 470},
	} {
		if got := keep.trimmable(c.members, 500, 5000, 10_000); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
