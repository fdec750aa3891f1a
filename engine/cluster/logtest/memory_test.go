package logtest_test

import (
	"testing"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	logtest.Run(t, 3, func(t *testing.T) func(*testing.T) cluster.Log {
		m := logtest.NewMemory(3)
		return func(*testing.T) cluster.Log { return m }
	})
}

func TestBus(t *testing.T) {
	t.Parallel()
	logtest.RunBus(t, func(*testing.T) (a, b engine.Bus) {
		bus := new(logtest.Bus)
		return bus, bus
	})
}
