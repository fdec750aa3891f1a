package snapshot

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
)

// FuzzFiles: a list of files is decoded as it was encoded, or refused.
func FuzzFiles(f *testing.F) {
	f.Add(appendFiles(nil, []engine.SnapshotFile{{Name: "000001.sst", Size: 1 << 40}, {Name: "WIREPOST"}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := decodeFiles(data)
		if err != nil {
			return
		}
		again, err := decodeFiles(appendFiles(nil, files))
		if diff := cmp.Diff(files, again); diff != "" || err != nil {
			t.Errorf("%v: (-first +second)\n%s", err, diff)
		}
	})
}

// FuzzResponse: no response is taken for a chunk that is not one.
func FuzzResponse(f *testing.F) {
	r := &request{ID: "x", File: 3, Offset: 100}
	for _, data := range []string{"", "\x00", "\x00abcd", "\x01", "\x01-5", "\x02no", "\x03", "\x04"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if chunk, err := openChunk(r, data); err == nil && len(chunk) > 0 {
			other := *r
			other.Offset++
			if _, err := openChunk(&other, data); err == nil {
				t.Error("the chunk is also one at another offset")
			}
		}
	})
}
