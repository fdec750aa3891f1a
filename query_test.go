package wirepost

import (
	"encoding/base64"
	"encoding/binary"
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
	position := writePosition(s, map[uint64]uint64{channelHash("user:42"): 17, channelHash("all"): 3})
	f.Add("news,room:7", "17", position, "25s")
	f.Add("", "user:42=17,news=3", "", "")
	f.Add("a=b", "a=b=1,c=2", base64.RawURLEncoding.EncodeToString([]byte("other\x0012345678\x01")), "3")
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
			again, err := s.parsePosition("after", writePosition(s, places))
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

func writePosition(s *Server, places map[uint64]uint64) string {
	b := append([]byte(s.engine.Epoch()), 0)
	for hash, seq := range places {
		b = binary.AppendUvarint(binary.BigEndian.AppendUint64(b, hash), seq)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func listPlaces(places map[string]uint64) string {
	var list []string
	for c, seq := range places {
		list = append(list, c+"="+strconv.FormatUint(seq, 10))
	}
	return strings.Join(list, ",")
}
