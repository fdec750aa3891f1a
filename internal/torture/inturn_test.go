//go:build unix

package torture

import (
	"os"
	"strings"
	"testing"
	"time"
)

// killsInTurn is how often a node is killed by TestNodesInTurn.
const killsInTurn = 10

// silenceLimit is the longest time without an answered push while a node is killed: pushes
// wait so long for the log.
const silenceLimit = 10 * time.Second

// TestNodesInTurn kills one node, and the next one when the first is back, and so on, with
// each kind of log, if TORTURE is set. Pushes are never refused, since at any time two nodes
// are there.
func TestNodesInTurn(t *testing.T) {
	if os.Getenv("TORTURE") == "" {
		t.Skip("only with TORTURE, see make torture")
	}
	needClusters(t)
	for _, log := range []struct {
		name string
		with func(*run) *nodes
	}{{"embedded", withEmbedded}, {"NATS", withNATS}, {"PostgreSQL", withPostgres}} {
		t.Run(log.name, func(t *testing.T) {
			r := newRun(t, seedOf(t))
			killInTurn(r, log.with(r))
		})
	}
}

func killInTurn(r *run, ns *nodes) {
	kills := 0
	ns.startAll()
	report := runCluster(r, ns.fronts(), plan{rounds: killsInTurn, fault: func(*run) {
		ns.restart("kill in turn", true, untouched, ns.all[kills%len(ns.all)])
		kills++
	}})
	for _, longest := range report.tally.silences {
		if longest > silenceLimit {
			r.t.Errorf("for %s no push was answered", longest)
		}
	}
	for reason := range report.tally.refused {
		// A node that has just been started accepts connections before it has caught up.
		if !strings.HasPrefix(reason, "this node is not ready: ") {
			r.t.Errorf("pushes were refused: %v", report.tally.refused)
		}
	}
}
