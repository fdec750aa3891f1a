package torture

import (
	"cmp"
	"fmt"
	"maps"
	"time"
)

// tally is what happened in runs against a cluster.
type tally struct {
	faults  map[string]int // by name
	refused map[string]int // the pushes that a node refused for now although they had an ID, by reason
	// The longest times after each fault: without an answered push until the next fault, and
	// until all nodes were live again.
	silences, revivals map[string]time.Duration
}

func (r *run) tally() *tally {
	events := r.h.snapshot()
	r.mu.Lock()
	defer r.mu.Unlock()
	return &tally{maps.Clone(r.counts), maps.Clone(r.refused), silences(events), revivals(events)}
}

func (t *tally) String() string {
	return fmt.Sprintf("faults: %v, refused pushes: %v, without an answered push for at most %v, live again after at most %v",
		t.faults, t.refused, t.silences, t.revivals)
}

// plus adds another tally. Both may be nil.
func (t *tally) plus(more *tally) *tally {
	if t == nil || more == nil {
		return cmp.Or(t, more)
	}
	for name, n := range more.faults {
		t.faults[name] += n
	}
	for reason, n := range more.refused {
		t.refused[reason] += n
	}
	for name, longest := range more.silences {
		t.silences[name] = max(t.silences[name], longest)
	}
	for name, longest := range more.revivals {
		t.revivals[name] = max(t.revivals[name], longest)
	}
	return t
}

// revivals returns the longest time after each kind of disturbance until all nodes were
// live again.
func revivals(events []event) map[string]time.Duration {
	longest := make(map[string]time.Duration)
	nodes := len(nodesOf(events))
	waiting := make(map[string]bool)
	over := -1
	for i, e := range events {
		switch {
		case e.kind == disturbed:
			over = -1
		case e.kind == healed:
			over, waiting = i, make(map[string]bool)
		case e.kind == live && over >= 0 && e.at > over:
			if waiting[e.node] = true; len(waiting) == nodes {
				of := events[over]
				longest[of.id] = max(longest[of.id], (e.when - of.when).Round(time.Millisecond))
				over = -1
			}
		}
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
