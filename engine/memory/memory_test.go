package memory_test

import (
	"log/slog"
	"math"
	"testing"

	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEngine(t *testing.T) {
	enginetest.Run(t, func(_ *testing.T, c *enginetest.Clock) engine.Engine {
		return memory.New(memory.Options{Now: c.Now, Elapsed: c.Elapsed, Logger: slog.New(slog.DiscardHandler)})
	})
}

func TestSequencesStartAfterBase(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{Base: 1000})
	defer e.Close()
	for i := range uint64(3) {
		r, err := e.Append(t.Context(), []engine.Entry{{Channel: "a", Data: []byte("1")}})
		if err != nil || r[0].Seq != 1001+i || i == 0 && r[0].Prev != 0 {
			t.Fatalf("append %d: %+v, %v", i, r, err)
		}
	}
	for channel, n := range map[string]int{"a": 3, "unused": 0} {
		page, err := e.ReadBefore(t.Context(), channel, math.MaxUint64, 10, 1<<20)
		if err != nil || len(page.Records) != n || page.Lost || page.Next != 0 {
			t.Errorf("read %q backwards: %+v, %v; want %d records, nothing lost", channel, page, err, n)
		}
	}
	for after, lost := range map[uint64]bool{0: false, 17: true, 999: true, 1000: false} { // below 1000: of an earlier run
		for channel, n := range map[string]int{"a": 3, "unused": 0} {
			page, err := e.Read(t.Context(), channel, after, 10, 1<<20)
			if err != nil || len(page.Records) != n || page.Lost != lost || page.Next != uint64(1000+n) {
				t.Errorf("read %q after %d: %+v, %v; want %d records, lost %v", channel, after, page, err, n, lost)
			}
			if b, err := e.Bounds(t.Context(), channel); err != nil || b.Head != uint64(1000+n) || b.Lost != 1000 {
				t.Errorf("bounds of %q: %+v, %v", channel, b, err)
			}
		}
	}
}
