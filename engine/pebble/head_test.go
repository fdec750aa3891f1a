package pebble

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Whatever happens to a channel, what would be loaded of its head is what the
// committer goes on with.
func TestStoredHeadIsFollowed(t *testing.T) {
	for seed := uint64(0); seed < 20; seed += Stride {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			e, clock := sweptByHand(t)
			random := rand.New(rand.NewPCG(seed, 7))
			s, err := e.pinChannel(t.Context(), "c")
			if err != nil {
				t.Fatal(err)
			}
			defer e.cache.UnpinChannel(s)
			behind := uint64(0)
			for step := range 600 {
				what, err := disturb(t, e, random, e.cache.HeadOf(s).Seq)
				clock.Advance(time.Duration(random.IntN(4000)) * time.Millisecond)
				if err != nil {
					t.Fatalf("step %d, %s: %v", step, what, err)
				}
				loaded, err := reload(t, e)
				if diff := cmp.Diff(e.cache.HeadOf(s), loaded.Head, cmp.AllowUnexported(format.Head{})); err != nil || diff != "" {
					t.Fatalf("step %d, %s: %v (-in memory +loaded):\n%s", step, what, err, diff)
				}
				if diff := holesDiffer(t, e, "c", loaded.Holes); diff != "" {
					t.Fatalf("step %d, %s: %s", step, what, diff)
				}
				var stored format.Head
				if _, err := format.Get(e.db, format.HeadKey(nil, "c"), func(v []byte) (err error) { stored, err = format.DecodeHead(v); return err }); err != nil {
					t.Fatal(err)
				}
				behind = max(behind, loaded.Head.Seq-stored.Seq)
			}
			if behind == 0 || behind >= format.Checkpoint {
				t.Errorf("the stored head was up to %d records behind, want 1 to %d", behind, format.Checkpoint-1)
			}
		})
	}
}

// disturb does something to the channel c: mostly appends, now and then whatever
// else there is.
func disturb(t *testing.T, e *Engine, random *rand.Rand, head uint64) (what string, err error) {
	switch n := random.IntN(100); {
	case n < 3:
		return "sweep", e.sweep()
	case n < 5:
		return "trim", e.Trim(t.Context(), "c", head-min(head, random.Uint64N(40)))
	}
	entries := make([]engine.Entry, 1+random.IntN(20)*random.IntN(2)*random.IntN(2))
	for i := range entries {
		in := &entries[i]
		*in = engine.Entry{Channel: "c", ID: fmt.Sprint(random.IntN(1000)), Limits: engine.Limits{MaxAge: 10 * time.Minute}}
		switch n := random.IntN(40); n {
		case 0:
			in.Revokes = head - min(head, random.Uint64N(20)) // it may be gone
		case 1:
			in.Key = fmt.Sprint(random.IntN(3))
		case 2:
			in.TTL = time.Duration(1+random.IntN(60)) * time.Second
		case 3:
			in.Limits.MaxAge = time.Duration(random.IntN(3)) * time.Minute
		case 4:
			in.Limits.MaxMessages = 1 + random.IntN(100)
		case 5:
			in.Idempotent = true
		}
	}
	_, err = e.Append(t.Context(), entries)
	return fmt.Sprintf("append of %d", len(entries)), err
}
