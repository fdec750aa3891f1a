package pebble

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// TestCheckExpiredKey: a message that had expired before a later one with its key came is
// no damage until it is swept, also if the later one is gone.
func TestCheckExpiredKey(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	r := openTestReplica(t, fs)
	for i, ch := range []engine.Entry{
		{ID: "1", Key: "a", TTL: time.Second},
		{ID: "2", Key: "b", TTL: time.Second},
		{ID: "3", Key: "a"},
		{ID: "4", Key: "b"},
		{ID: "5", Revokes: 4},
	} {
		ch.Channel = "c0"
		b := &engine.Batch{Position: uint64(i) + 1, Time: testBegin + int64(i/2)*10_000, Changes: []engine.Change{{Entry: &ch}}}
		if _, err := r.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, err := Check(fs, "store"); err != nil || !rep.OK() || rep.Records != 4 {
		t.Errorf("%+v, %v", rep, err)
	}
	r = openTestReplica(t, fs)
	err := r.committer.Do(t.Context(), committer.Mode{Sync: true}, nil, func(c *stage.Changes) error {
		c.Delete(format.KeyKey(nil, format.PairName("c0", "a")))
		return nil
	})
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if rep, err := Check(fs, "store"); err != nil || len(rep.Damage) != 1 {
		t.Errorf("an index without a message: %+v, %v", rep, err)
	}
}
