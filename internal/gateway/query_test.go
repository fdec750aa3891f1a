package gateway

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/names"
)

// FuzzQuery parses the parts of a client's URL that name positions. An accepted value
// is the same after formatting and parsing it again.
func FuzzQuery(f *testing.F) {
	f.Add("news,room:7", "17", "25s")
	f.Add("", "user:42=17,news=3", "")
	f.Add("a=b", "a=b=1,c=2", "3")
	f.Add("a,,b", "=1", "-1s")
	f.Add("a b", "a=18446744073709551616", "1e9h")
	f.Fuzz(func(t *testing.T, channels, after, wait string) {
		if list, err := parseChannels(channels); err == nil {
			if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
				t.Errorf("channels %q: %q", channels, list)
			}
			for _, c := range list {
				if names.CheckChannel(c) != nil || !slices.Contains(strings.Split(channels, ","), c) {
					t.Errorf("channels %q: %q", channels, c)
				}
			}
		}
		if positions, err := parsePositions("after", after, "user:42"); err == nil && after != "" {
			again, err := parsePositions("after", formatPositions(positions), "user:42")
			if err != nil || !maps.Equal(positions, again) || len(positions) != strings.Count(after, ",")+1 {
				t.Errorf("after %q: %v, again %v (%v)", after, positions, again, err)
			}
		}
		if d, err := parseWait(wait); err == nil && (d < 0 || d > time.Minute) {
			t.Errorf("wait %q: %v", wait, d)
		}
	})
}

func formatPositions(positions map[string]uint64) string {
	var list []string
	for c, seq := range positions {
		list = append(list, c+"="+strconv.FormatUint(seq, 10))
	}
	return strings.Join(list, ",")
}
