//go:build unix

package torture

import (
	"os"
	"testing"
	"time"
)

// killsInTurn is how often a node is killed by TestNodesInTurn.
const killsInTurn = 10

// silenceLimit is the longest time without an answered push while a node is killed: pushes
// wait so long for the log.
const silenceLimit = 10 * time.Second

// TestNodesInTurn kills one node, and the next one when the first is back, and so on, if
// TORTURE is set. Pushes are never refused, since at any time two nodes are there.
func TestNodesInTurn(t *testing.T) {
	if os.Getenv("TORTURE") == "" {
		t.Skip("only with TORTURE, see make torture")
	}
	needClusters(t)
	r := newRun(t, seedOf(t))
	ns := withEmbedded(r)
	kills := 0
	ns.startAll()
	report := runCluster(r, ns.fronts(), plan{rounds: killsInTurn, fault: func(*run) {
		ns.restart("kill in turn", true, untouched, ns.all[kills%len(ns.all)])
		kills++
	}}, ns.summary)
	longest := silence(r.h.snapshot())
	if longest > silenceLimit {
		t.Errorf("for %s no push was answered", longest)
	}
	if len(r.refused) > 0 {
		t.Errorf("pushes were refused: %v", r.refused)
	}
	t.Logf("%d kills, at most %s without an answered push, %v", kills, longest.Round(time.Millisecond), report)
}

// silence returns the longest time between two answered pushes, from the first
// disturbance on.
func silence(events []event) (longest time.Duration) {
	var last time.Duration
	began := false
	for _, e := range events {
		began = began || e.kind == disturbed
		if e.kind != pushed {
			continue
		}
		if began {
			longest = max(longest, e.when-last)
		}
		last = e.when
	}
	return longest
}

// silences returns the longest time between two answered pushes after each kind of
// disturbance, until the next one.
func silences(events []event) map[string]time.Duration {
	longest := make(map[string]time.Duration)
	name, last := "", time.Duration(0)
	for _, e := range events {
		switch e.kind {
		case disturbed:
			name = e.id
		case pushed:
			if name != "" {
				longest[name] = max(longest[name], (e.when - last).Round(time.Millisecond))
			}
			last = e.when
		}
	}
	return longest
}
