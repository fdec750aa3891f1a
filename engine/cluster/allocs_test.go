//go:build linux && !race

package cluster_test

import (
	"testing"

	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// TestAllocations: a push allocates little on its way into the log and from there into the
// replica. It is not parallel, so that it counts nothing else.
func TestAllocations(t *testing.T) {
	e := openBench(t, logtest.NewMemory(1))
	defer closeNode(t, e)
	entries := benchEntries(0)
	append1 := func() {
		if _, err := e.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	append1()
	const most = 10
	if got := testing.AllocsPerRun(200, append1) / benchBatch; got > most {
		t.Errorf("%.1f allocations per push, want at most %d", got, most)
	} else {
		t.Logf("%.1f allocations per push", got)
	}
}
