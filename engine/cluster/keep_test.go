package cluster

import (
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
)

// TestTrimmable: a member that is too far behind is not waited for.
func TestTrimmable(t *testing.T) {
	t.Parallel()
	keep := Keep{Entries: 100, Bytes: 1000, Age: time.Second}
	at := func(durable, size uint64, when int64) note.Member {
		return note.Member{Report: batch.Report{Node: "n", Level: 1, Durable: durable, Size: size}, Time: when}
	}
	for name, c := range map[string]struct {
		members []note.Member
		want    uint64
	}{
		"nobody":        {nil, 500},
		"all":           {[]note.Member{at(450, 4900, 9000), at(470, 4900, 9500)}, 450},
		"entries":       {[]note.Member{at(399, 4900, 9000), at(470, 4900, 9500)}, 470},
		"bytes":         {[]note.Member{at(450, 3999, 9000), at(470, 4900, 9500)}, 470},
		"age":           {[]note.Member{at(450, 4900, 8999), at(470, 4900, 9500)}, 470},
		"at the bounds": {[]note.Member{at(400, 4000, 9000), at(470, 4900, 9500)}, 400},
		"ahead":         {[]note.Member{at(501, 5001, 10_000), at(470, 4900, 9500)}, 470},
	} {
		if got := keep.trimmable(c.members, 500, 5000, 10_000); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
