package nodes

import (
	"testing"

	"github.com/wirepost/wirepost/engine"
)

// TestYields: of two nodes with one name the younger one stops, and never both.
func TestYields(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		mine, theirs  Announcement
		yields, reply bool // mine to theirs, and theirs to mine
	}{
		{"the other is older", Announcement{Run: "a", UpMs: 500}, Announcement{Run: "b", UpMs: 900}, true, false},
		{"by much", Announcement{Run: "b", UpMs: 500}, Announcement{Run: "a", UpMs: 900_000}, true, false},
		{"of the same age", Announcement{Run: "a", UpMs: 950}, Announcement{Run: "b", UpMs: 900}, false, true},
		{"joining", Announcement{Run: "b", UpMs: 900}, Announcement{Run: "a"}, false, true},
		{"joining at its start", Announcement{Run: "b", UpMs: 1}, Announcement{Run: "a"}, false, false},
		{"this run", Announcement{Run: "a", UpMs: 950}, Announcement{Run: "a", UpMs: 9000}, false, false},
		{"stopped", Announcement{Run: "a", UpMs: 1}, Announcement{Run: "b", UpMs: 900, State: engine.NodeStopped}, false, false},
	} {
		if got := test.mine.Yields(&test.theirs); got != test.yields {
			t.Errorf("%s: %v", test.name, got)
		}
		if got := test.theirs.Yields(&test.mine); got != test.reply {
			t.Errorf("%s, the other way round: %v", test.name, got)
		}
	}
}
