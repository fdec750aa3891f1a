package pebble

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wirepost/wirepost/engine"
)

const replicaShards = 2

// shardByEnd is the shard of a channel of these tests.
func shardByEnd(channel string) int { return int(channel[len(channel)-1]) % replicaShards }

func openTestReplica(t *testing.T, fs vfs.FS) *Replica {
	t.Helper()
	r, err := OpenReplica("store", replicaShards, shardByEnd, Options{
		FS: fs, Logger: slog.New(slog.DiscardHandler), MemTableBytes: 64 << 10, StallAfter: time.Hour, Channels: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// randomLog makes a log of batches for each shard.
type randomLog struct {
	rnd  *rand.Rand
	at   [replicaShards]uint64
	time [replicaShards]int64
	ids  int
}

var testUsers = []string{"0", "1", "2", "3"}

func (l *randomLog) channel(shard int) string {
	return fmt.Sprintf("c%d%d", l.rnd.IntN(3), shard+2*l.rnd.IntN(2))
}

func (l *randomLog) next(shard int) *engine.Batch {
	l.at[shard]++
	l.time[shard] += int64(l.rnd.IntN(3) * l.rnd.IntN(20_000))
	b := &engine.Batch{Shard: shard, Position: l.at[shard], Time: l.time[shard], Note: fmt.Appendf(nil, "note %d", l.at[shard])}
	switch l.rnd.IntN(20) {
	case 0:
		b.Changes = []engine.Change{{Trim: &engine.Trim{Channel: l.channel(shard), Through: uint64(l.rnd.IntN(60))}}}
		return b
	case 1, 2, 3:
		b.Sweep = true
	}
	for range l.rnd.IntN(12) {
		if l.rnd.IntN(4) == 0 {
			b.Changes = append(b.Changes, engine.Change{Update: l.update(shard)})
		} else {
			b.Changes = append(b.Changes, engine.Change{Entry: l.entry(shard)})
		}
	}
	return b
}

func (l *randomLog) entry(shard int) *engine.Entry {
	l.ids++
	in := &engine.Entry{Channel: l.channel(shard), ID: fmt.Sprint("id", l.ids), Data: make([]byte, l.rnd.IntN(300))}
	in.Limits = engine.Limits{MaxAge: time.Duration(1+l.rnd.IntN(2)) * time.Minute, MaxMessages: 20 + 10*l.rnd.IntN(2)}
	switch l.rnd.IntN(8) {
	case 0:
		in.Revokes = uint64(1 + l.rnd.IntN(100))
	case 1:
		in.Key = fmt.Sprint("k", l.rnd.IntN(3))
	case 2:
		in.ID, in.Idempotent = fmt.Sprint("again", l.rnd.IntN(10)), true
	case 3:
		in.TTL = time.Duration(l.rnd.IntN(60)) * time.Second
	case 4:
		in.Sets, in.Bare = l.timer(), l.rnd.IntN(2) == 0
	case 5:
		in.Ends, in.Bare = l.timer(), l.rnd.IntN(2) == 0
	}
	return in
}

// timer returns one of few timers, so that some are replaced, and some end.
func (l *randomLog) timer() *engine.Timer {
	kind := []engine.TimerKind{engine.TimerPush, engine.TimerStep}[l.rnd.IntN(2)]
	return &engine.Timer{Kind: kind, ID: fmt.Sprint(l.rnd.IntN(2)), Due: int64(l.rnd.IntN(2)), Data: []byte{byte(l.ids)}}
}

func (l *randomLog) update(shard int) *engine.Update {
	up := &engine.Update{User: testUsers[shard+2*l.rnd.IntN(2)]}
	channel := fmt.Sprint("c", l.rnd.IntN(4))
	switch l.rnd.IntN(5) {
	case 0:
		up.Join = []string{channel}
	case 1:
		up.Leave = []string{channel}
	case 2:
		up.Marks = []engine.Mark{{Channel: channel, Read: uint64(l.rnd.IntN(50))}}
	case 3:
		up.RemoveDevices = []string{"d1"}
	default:
		up.Devices = []engine.Device{{
			Name: fmt.Sprint("d", l.rnd.IntN(3)), Used: l.time[shard],
			Cursors: []engine.Cursor{{Channel: channel, Seq: uint64(l.rnd.IntN(50))}},
		}}
	}
	return up
}

// TestReplicasAgree applies one random log to two replicas. One of them is flushed,
// compacted, closed, killed and opened at random moments, follows the shards in another
// order and looks at its channels. After it all answers and all keys are the same.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	for seed := uint64(0); seed < 8; seed += Stride {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := &randomLog{rnd: rand.New(rand.NewPCG(seed, 1))}
			logs := make([][]*engine.Batch, replicaShards)
			for i := range l.time {
				l.time[i] = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
			}
			for range 400 {
				shard := l.rnd.IntN(replicaShards)
				logs[shard] = append(logs[shard], l.next(shard))
			}
			plain := openTestReplica(t, vfs.NewMem())
			results := make([][][]engine.Result, replicaShards)
			for shard, log := range logs {
				for _, b := range log {
					r, err := plain.Apply(t.Context(), b)
					if err != nil {
						t.Fatal(err)
					}
					results[shard] = append(results[shard], r)
				}
			}
			shaken := shake(t, l.rnd, logs, results)
			compareReplicas(t, plain, shaken)
			for _, r := range []*Replica{plain, shaken} {
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// shake applies the logs in a random order of the shards, with disturbances.
func shake(t *testing.T, rnd *rand.Rand, logs [][]*engine.Batch, results [][][]engine.Result) *Replica {
	t.Helper()
	fs := vfs.NewCrashableMem()
	r := openTestReplica(t, fs)
	for {
		shard := rnd.IntN(len(logs))
		at, _, _ := r.Applied(shard)
		if at == uint64(len(logs[shard])) {
			shard = 1 - shard
			if at, _, _ = r.Applied(shard); at == uint64(len(logs[shard])) {
				return r
			}
		}
		b := logs[shard][at]
		got, err := r.Apply(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(results[shard][at], got, cmpopts.EquateErrors()); diff != "" {
			t.Fatalf("shard %d position %d (-plain +shaken):\n%s", shard, b.Position, diff)
		}
		switch rnd.IntN(25) {
		case 0:
			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 1:
			if err := r.db.Flush(); err != nil {
				t.Fatal(err)
			}
		case 2:
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			r = openTestReplica(t, fs)
		case 3: // the machine loses power
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rnd})
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			fs = crashed
			r = openTestReplica(t, fs)
		case 4:
			for i := range 4 {
				if _, err := r.Count(t.Context(), fmt.Sprint("c0", i), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func compareReplicas(t *testing.T, a, b *Replica) {
	t.Helper()
	for i := range 3 {
		for k := range 4 {
			name := fmt.Sprintf("c%d%d", i, k)
			if diff := cmp.Diff(answersOf(t, a, name), answersOf(t, b, name)); diff != "" {
				t.Errorf("%s (-plain +shaken):\n%s", name, diff)
			}
		}
	}
	for _, name := range testUsers {
		x, err := a.Load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.Load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(x, y); diff != "" {
			t.Errorf("user %s (-plain +shaken):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(allKeys(t, a), allKeys(t, b)); diff != "" {
		t.Errorf("the store (-plain +shaken):\n%s", diff)
	}
}

type channelAnswers struct {
	Page, Before engine.Page
	Bounds       engine.Bounds
	Counts       []int
}

func answersOf(t *testing.T, r *Replica, channel string) (s channelAnswers) {
	t.Helper()
	var err [3]error
	s.Page, err[0] = r.Read(t.Context(), channel, 0, 1000, 1<<20)
	s.Before, err[1] = r.ReadBefore(t.Context(), channel, math.MaxUint64, 10, 1<<20)
	s.Bounds, err[2] = r.Bounds(t.Context(), channel)
	for after := uint64(0); after <= s.Bounds.Head; after += 7 {
		n, e := r.Count(t.Context(), channel, after)
		if e != nil {
			t.Fatal(e)
		}
		s.Counts = append(s.Counts, n)
	}
	if i := slices.IndexFunc(err[:], func(e error) bool { return e != nil }); i >= 0 {
		t.Fatal(err[i])
	}
	return s
}

// allKeys returns all that is stored.
func allKeys(t *testing.T, r *Replica) map[string]string {
	t.Helper()
	it, err := r.db.NewIter(&pdb.IterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for ok := it.First(); ok; ok = it.Next() {
		all[fmt.Sprintf("%q", it.Key())] = fmt.Sprintf("%q", it.Value())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestReadersLeaveReplica: a count that meets many records that have ended removes none of
// them, because other replicas would still have them.
func TestReadersLeaveReplica(t *testing.T) {
	t.Parallel()
	r := openTestReplica(t, vfs.NewMem())
	defer r.Close()
	b := &engine.Batch{Position: 1, Time: 1000}
	for i := range manyEnded + 10 {
		b.Changes = append(b.Changes, engine.Change{Entry: &engine.Entry{Channel: "c0", ID: fmt.Sprint(i), TTL: time.Second}})
	}
	for _, b := range []*engine.Batch{b, {Position: 2, Time: 10_000}} {
		if _, err := r.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	before := allKeys(t, r)
	if n, err := r.Count(t.Context(), "c0", 0); err != nil || n != 0 {
		t.Errorf("%d messages, %v", n, err)
	}
	if diff := cmp.Diff(before, allKeys(t, r)); diff != "" {
		t.Errorf("the store (-before +after):\n%s", diff)
	}
	if _, err := r.Append(t.Context(), []engine.Entry{{Channel: "c0", ID: "x"}}); err == nil {
		t.Error("an append without the log was accepted")
	}
}

// TestReplicaBecomesStore: Open makes a store of a replica's directory.
func TestReplicaBecomesStore(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	r := openTestReplica(t, fs)
	now := time.Now().Add(time.Hour).UnixMilli()
	entry := &engine.Entry{Channel: "c0", ID: "a", Data: []byte("1")}
	if _, err := r.Apply(t.Context(), &engine.Batch{Position: 1, Time: now, Changes: []engine.Change{{Entry: entry}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := Open("store", Options{FS: fs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Append(t.Context(), []engine.Entry{{Channel: "c0", ID: "b"}})
	if err != nil || got[0].Seq != 2 || got[0].Time < now {
		t.Errorf("%+v, %v; want sequence 2 and a time from %d on", got, err, now)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	r = openTestReplica(t, fs)
	defer r.Close()
	if at, _, _ := r.Applied(0); at != 0 {
		t.Errorf("the store still says that it followed a log to %d", at)
	}
}
