package wirepost

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// FuzzQuery reads the parts of a client's URL that name places. Whatever is taken
// says the same when it is written again.
func FuzzQuery(f *testing.F) {
	s := &Server{engine: epochOnly{}}
	position := base64.RawURLEncoding.EncodeToString([]byte(s.engine.Epoch() + ",user:42=17,all=3"))
	f.Add("news,room:7", "17", position, "25s")
	f.Add("", "user:42=17,news=3", "", "")
	f.Add("a=b", "a=b=1,c=2", base64.RawURLEncoding.EncodeToString([]byte("other,a=1")), "3")
	f.Add("a,,b", "=1", "!", "-1s")
	f.Add("a b", "a=18446744073709551616", "QQ", "1e9h")
	f.Fuzz(func(t *testing.T, channels, after, position, wait string) {
		if list, err := parseChannels(channels); err == nil {
			if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
				t.Errorf("channels %q: %q", channels, list)
			}
			for _, c := range list {
				if CheckChannel(c) != nil || !slices.Contains(strings.Split(channels, ","), c) {
					t.Errorf("channels %q: %q", channels, c)
				}
			}
		}
		if places, err := parseAfter(after, "user:42"); err == nil && after != "" {
			again, err := parseAfter(listPlaces(places), "user:42")
			if err != nil || !maps.Equal(places, again) || len(places) != strings.Count(after, ",")+1 {
				t.Errorf("after %q: %v, again %v (%v)", after, places, again, err)
			}
		}
		if places, err := s.parsePosition("after", position); err == nil && places != nil {
			text := base64.RawURLEncoding.EncodeToString([]byte(s.engine.Epoch() + "," + listPlaces(places)))
			again, err := s.parsePosition("after", text)
			if err != nil || !maps.Equal(places, again) {
				t.Errorf("position %q: %v, again %v (%v)", position, places, again, err)
			}
		}
		if d, err := parseWait(wait); err == nil && (d < 0 || d > time.Minute) {
			t.Errorf("wait %q: %v", wait, d)
		}
	})
}

// epochOnly is as much of an engine as reading a position takes.
type epochOnly struct{ engine.Engine }

func (epochOnly) Epoch() string { return "EPOCH" }

func listPlaces(places map[string]uint64) string {
	var list []string
	for c, seq := range places {
		list = append(list, c+"="+strconv.FormatUint(seq, 10))
	}
	return strings.Join(list, ",")
}
