package pebble

import (
	"runtime"
	"testing"
	"weak"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
)

// keeper keeps the records of a channel, as those who deliver them do.
type keeper struct{ records []*engine.Record }

func (k *keeper) Appended(records []*engine.Record) { k.records = append(k.records, records...) }

// TestReplicaReleasesBatches: a small message that is kept does not keep the entry of the
// log that it came with.
func TestReplicaReleasesBatches(t *testing.T) {
	t.Parallel()
	r := openTestReplica(t, vfs.NewMem())
	defer r.Close()
	var kept keeper
	if _, err := r.Watch(t.Context(), "small0", &kept); err != nil {
		t.Fatal(err)
	}
	entry := applyLarge(t, r)
	if len(kept.records) != 1 || string(kept.records[0].Data) != "data" {
		t.Fatalf("the watcher has %+v", kept.records)
	}
	runtime.GC()
	if entry.Value() != nil {
		t.Error("the entry of the log is still in memory")
	}
	runtime.KeepAlive(&kept)
}

// applyLarge applies a small and a large message, whose data are slices of one entry of the
// log, as those that are decoded. It returns a pointer to the entry.
func applyLarge(t *testing.T, r *Replica) weak.Pointer[byte] {
	t.Helper()
	entry := make([]byte, 512<<10)
	copy(entry, "data")
	batch := &engine.Batch{Position: 1, Time: 1, Changes: []engine.Change{
		{Entry: &engine.Entry{Channel: "small0", ID: "1", Data: entry[:4:4]}},
		{Entry: &engine.Entry{Channel: "large0", ID: "2", Data: entry[4:]}},
	}}
	if _, err := r.Apply(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return weak.Make(&entry[0])
}
