package memory_test

import (
	"log/slog"
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

func TestSequencesComeAfterTheBase(t *testing.T) {
	t.Parallel()
	e := memory.New(memory.Options{Base: 1000})
	defer e.Close()
	for i := range uint64(3) {
		r, err := e.Append(t.Context(), []engine.Entry{{Channel: "a", Data: []byte("1")}})
		if err != nil || r[0].Seq != 1001+i || i == 0 && r[0].Prev != 0 {
			t.Fatalf("append %d: %+v, %v", i, r, err)
		}
	}
	page, err := e.Read("a", 17, 10, 1<<20) // a place in an earlier run
	if err != nil || len(page.Records) != 3 || page.Lost {
		t.Errorf("read: %+v, %v", page, err)
	}
}
