package memory_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/enginetest"
	"github.com/wirepost/wirepost/engine/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEngine(t *testing.T) {
	enginetest.Run(t, func(_ *testing.T, now func() time.Time) engine.Engine {
		return memory.New(memory.Options{Now: now})
	})
}
