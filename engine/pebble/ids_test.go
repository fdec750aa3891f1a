package pebble

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// idsUnderTest is a store that is asked for repeats while it is closed, killed, swept, and
// its clock jumps.
type idsUnderTest struct {
	*Engine
	t       *testing.T
	random  *rand.Rand
	fs      *vfs.MemFS
	clock   *enginetest.Clock
	behind  time.Duration // the store's wall clock is that much behind clock's
	used    int           // IDs so far
	repeats int
}

// TestIDsAsStored: whether an append is a repeat is what two lookups in the store say, whatever
// the filter of IDs knows. In some runs it is 1970, as on a board without a battery.
func TestIDsAsStored(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := &idsUnderTest{t: t, random: rand.New(rand.NewPCG(seed, 9)), fs: vfs.NewCrashableMem(), clock: enginetest.NewClock()}
			if seed%4 == 0 {
				s.behind = s.clock.Now().Sub(time.UnixMilli(0)) - time.Minute
			}
			s.open()
			for range 300 {
				s.step()
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if s.repeats == 0 || s.repeats == s.used {
				t.Errorf("%d repeats of %d IDs", s.repeats, s.used)
			}
		})
	}
}

func (s *idsUnderTest) open() {
	e, err := Open("store", Options{
		FS: s.fs, Now: func() time.Time { return s.clock.Now().Add(-s.behind) }, Elapsed: s.clock.Elapsed,
		SweepEvery: time.Hour, IDBytes: 1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Engine = e
}

func (s *idsUnderTest) step() {
	switch s.random.IntN(12) {
	case 0:
		if err := s.Close(); err != nil {
			s.t.Fatal(err)
		}
		s.open()
	case 1: // killed
		left := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(s.random.Uint64(), 0))})
		_ = s.Close() // for its goroutines
		s.fs = left
		s.open()
	case 2:
		s.clock.Advance(time.Duration(s.random.Int64N(int64(60 * time.Hour))))
	case 3: // forward, and maybe back before it is applied
		by := time.Duration(s.random.Int64N(int64(100 * time.Hour)))
		s.clock.Jump(by)
		s.nowMilli()
		if s.random.IntN(2) == 0 {
			s.clock.Jump(-by)
		}
		s.clock.Advance(11 * time.Minute)
	case 4:
		s.clock.Jump(-time.Duration(s.random.Int64N(int64(24 * time.Hour))))
	case 5:
		if err := s.sweep(); err != nil {
			s.t.Fatal(err)
		}
	default:
		s.append()
	}
}

// append appends the same ID from several goroutines at once.
func (s *idsUnderTest) append() {
	id := s.random.IntN(s.used + 3)
	s.used = max(s.used, id+1)
	in := engine.Entry{Channel: "a", ID: fmt.Sprint(id), Idempotent: true}
	if s.random.IntN(4) == 0 {
		in.Forgets = fmt.Sprint(s.random.IntN(s.used))
	}
	stored := s.stored(in.ID)
	results := make([]engine.Result, 1+s.random.IntN(3))
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			r, err := s.Append(s.t.Context(), []engine.Entry{in})
			if err != nil {
				s.t.Error(err)
				return
			}
			results[i] = r[0]
		})
	}
	all.Wait()
	firsts := 0
	for _, r := range results {
		switch {
		case !r.Duplicate:
			firsts++
		case stored != 0 && r.Seq != stored:
			s.t.Errorf("ID %s: the repeat is of %d, the store has %d", in.ID, r.Seq, stored)
		}
	}
	want := 1
	if stored != 0 {
		want, s.repeats = 0, s.repeats+1
	}
	if firsts != want && in.Forgets != in.ID {
		s.t.Fatalf("ID %s, of which the store has %d: %d are stored, want %d", in.ID, stored, firsts, want)
	}
}

// stored returns of which message an append with an ID is a repeat; 0 for none.
func (s *idsUnderTest) stored(id string) (seq uint64) {
	now := s.nowMilli()
	today := format.DayOf(now)
	for _, day := range [...]uint32{today, today - 1} {
		_, err := format.Get(s.db, format.MemoKey(nil, day, format.PairName("a", id)), func(value []byte) error {
			m, err := format.DecodeMemo(value)
			if now-m.Time < engine.IdempotencyWindow.Milliseconds() {
				seq = max(seq, m.Seq)
			}
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return seq
}
