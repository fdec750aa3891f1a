package memory_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// TestReplica: a replica does what an engine does with the same entries, except that its
// sequences are those of the log.
func TestReplica(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	now := time.Now().Truncate(time.Millisecond)
	plain := memory.New(memory.Options{MaxBytes: 200 << 10, Now: func() time.Time { return now }})
	replica := memory.NewReplica(memory.Options{MaxBytes: 200 << 10})
	replica.Skip(999)
	of := map[string]map[uint64]uint64{} // the replica's sequences by those of the engine
	const channels = 3
	for i := range channels {
		of[fmt.Sprint("c", i)] = map[uint64]uint64{}
	}
	for position := uint64(1000); position < 3000; position++ {
		now = now.Add(time.Duration(rnd.IntN(500)) * time.Millisecond)
		var entries []engine.Entry
		changes := make([]engine.Change, 1+rnd.IntN(4))
		for i := range changes {
			in := engine.Entry{
				Channel: fmt.Sprint("c", rnd.IntN(channels)), ID: fmt.Sprint(rnd.IntN(500)), Idempotent: rnd.IntN(2) == 0,
				Data: make([]byte, rnd.IntN(1000)), Limits: engine.Limits{MaxAge: time.Duration(rnd.IntN(3)) * time.Minute},
			}
			switch rnd.IntN(6) {
			case 0:
				in.Key = fmt.Sprint(rnd.IntN(5))
			case 1:
				in.TTL = time.Duration(1+rnd.IntN(60)) * time.Second
			case 2:
				in.Limits.MaxMessages = 1 + rnd.IntN(100)
			case 3:
				in.Revokes = uint64(rnd.IntN(len(of[in.Channel]) + 1))
			}
			entries = append(entries, in)
			in.Revokes = of[in.Channel][in.Revokes]
			changes[i].Entry = &in
		}
		want, err := plain.Append(t.Context(), entries)
		if err != nil {
			t.Fatal(err)
		}
		got, err := replica.Apply(t.Context(), &engine.Batch{Position: position, Time: now.UnixMilli(), Changes: changes})
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			seqs := of[entries[i].Channel]
			if w.Err == nil && !w.Duplicate {
				seqs[w.Seq] = memory.First(position) + uint64(i)
			}
			w.Seq, w.Prev = seqs[w.Seq], seqs[w.Prev]
			if got[i] != w {
				t.Fatalf("position %d entry %d: %+v, want %+v", position, i, got[i], w)
			}
		}
		for channel, seqs := range of {
			after := uint64(rnd.IntN(len(seqs) + 1))
			from := seqs[after]
			comparePages(t, seqs, after)(plain.Read(t.Context(), channel, after, 10, 2000))(replica.Read(t.Context(), channel, from, 10, 2000))
			b, _ := plain.Bounds(t.Context(), channel)
			r, _ := replica.Bounds(t.Context(), channel)
			if len(seqs) > 0 && (seqs[b.Head] != r.Head || seqs[b.Oldest] != r.Oldest || b.Lost > 0 && seqs[b.Lost] != r.Lost) {
				t.Fatalf("bounds %+v, want those of %+v", r, b)
			}
		}
	}
}

func comparePages(t *testing.T, seqs map[uint64]uint64, after uint64) func(engine.Page, error) func(engine.Page, error) {
	return func(want engine.Page, err error) func(engine.Page, error) {
		if err != nil {
			t.Fatal(err)
		}
		return func(got engine.Page, err error) {
			if err != nil || got.Lost != want.Lost || len(got.Records) != len(want.Records) || len(seqs) > 0 && want.Next > 0 && got.Next != seqs[want.Next] {
				t.Fatalf("after %d: %d records, lost %v, next %d, %v; want %d, %v, %d", after,
					len(got.Records), got.Lost, got.Next, err, len(want.Records), want.Lost, seqs[want.Next])
			}
			for i, w := range want.Records {
				r := got.Records[i]
				if r.Seq != seqs[w.Seq] || r.Prev != seqs[w.Prev] || r.Revokes != seqs[w.Revokes] || r.ID != w.ID || r.Key != w.Key ||
					r.Time != w.Time || r.Expires != w.Expires || len(r.Data) != len(w.Data) {
					t.Fatalf("record %d: %+v, want that of %+v", i, r, w)
				}
			}
		}
	}
}
