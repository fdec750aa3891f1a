package torture

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sound is a valid history: two devices, a channel, three messages, a session that ends
// before its last acknowledgement, and a crash.
func sound() []event {
	return []event{
		0:  {kind: began, device: "a", session: 1},
		1:  {kind: began, device: "p", session: 2},
		2:  {kind: pushing, channel: "c", id: "m1"},
		3:  {kind: pushing, channel: "c", id: "m2"},
		4:  {kind: pushed, channel: "c", id: "m1", seq: 1},
		5:  {kind: received, device: "a", session: 1, channel: "c", id: "m1", seq: 1},
		6:  {kind: received, device: "p", session: 2, id: "m1"},
		7:  {kind: acking, device: "a", session: 1, at: 6},
		8:  {kind: acked, device: "a", session: 1, at: 6},
		9:  {kind: received, device: "a", session: 1, channel: "c", id: "m2", seq: 2, prev: 1},
		10: {kind: received, device: "p", session: 2, id: "m2"},
		11: {kind: acking, device: "p", session: 2, at: 11},
		12: {kind: acked, device: "p", session: 2, at: 11},
		13: {kind: began, device: "a", session: 3},
		14: {kind: received, device: "a", session: 3, channel: "c", id: "m2", seq: 2, prev: 1},
		15: {kind: pushing, channel: "c", id: "m3"},
		16: {kind: pushed, channel: "c", id: "m3", seq: 3},
		17: {kind: began, device: "p", session: 4},
		18: {kind: received, device: "p", session: 4, id: "m3"},
		19: {kind: crash},
		20: {kind: began, device: "a", session: 5},
		21: {kind: received, device: "a", session: 5, channel: "c", id: "m1", seq: 1},
		22: {kind: received, device: "a", session: 5, channel: "c", id: "m2", seq: 2, prev: 1},
		23: {kind: received, device: "a", session: 5, channel: "c", id: "m3", seq: 3, prev: 2},
	}
}

var doctoredDevices = []device{{name: "a", channels: []string{"c"}}, {name: "p", channels: []string{"c"}, plain: true}}

func TestCheckerAcceptsSound(t *testing.T) {
	r := check(doctoredDevices, sound(), true)
	for _, v := range r.violations {
		t.Error(v)
	}
	if r.pushes != 3 || r.confirmed != 2 || r.deliveries != 9 || r.sessions != 5 || r.crashes != 1 {
		t.Errorf("counted %v", r)
	}
}

// TestCheckerRejects: each of these histories has one fault, which the checker finds.
func TestCheckerRejects(t *testing.T) {
	drop := func(at ...int) func([]event) []event {
		return func(events []event) []event {
			for _, i := range slices.Backward(at) {
				// Events refer to others by index, so events are not moved.
				events[i] = event{kind: nothing}
			}
			return events
		}
	}
	set := func(at int, change func(*event)) func([]event) []event {
		return func(events []event) []event { change(&events[at]); return events }
	}
	more := func(e ...event) func([]event) []event {
		return func(events []event) []event { return append(events, e...) }
	}
	for _, tc := range []struct {
		name, rule string
		doctor     func([]event) []event
	}{
		{"a message that one device never gets", ruleLost, drop(23)},
		{"one that a bare device never gets", ruleLost, drop(18)},
		{"a session that never comes back", ruleLost, drop(20, 21, 22, 23)},
		{"a message that was not pushed", ruleInvented, set(9, func(e *event) { e.id = "m9" })},
		{"one of another channel", ruleInvented, more(
			event{kind: pushing, channel: "other", id: "m4"}, event{kind: received, device: "a", session: 5, channel: "c", id: "m4", seq: 4, prev: 3})},
		{"a bare one of another channel", ruleInvented, more(
			event{kind: pushing, channel: "other", id: "m4"}, event{kind: received, device: "p", session: 4, id: "m4"})},
		{"two messages in the wrong order", ruleReordered, func(events []event) []event {
			events[21], events[22] = events[22], events[21]
			return events
		}},
		{"two bare messages in the wrong order", ruleReordered, func(events []event) []event {
			events[6], events[10] = events[10], events[6]
			return events
		}},
		{"one message twice in a session", ruleReordered, more(
			event{kind: received, device: "a", session: 5, channel: "c", id: "m3", seq: 3, prev: 2})},
		{"a push that overtakes an earlier one", ruleReordered, more(
			event{kind: pushing, channel: "c", id: "m4"}, event{kind: pushed, channel: "c", id: "m4", seq: 2})},
		{"a repeat without a crash", ruleRepeated, drop(19)},
		{"a crash that was before the acknowledgement", ruleRepeated, func(events []event) []event {
			events[19], events[3] = events[3], events[19]
			return events
		}},
		{"a bare repeat", ruleRepeated, func(events []event) []event {
			events[17], events[18] = event{kind: began, device: "p", session: 4}, event{kind: received, device: "p", session: 4, id: "m2"}
			return append(events, event{kind: received, device: "p", session: 4, id: "m3"})
		}},
		{"a skipped message", ruleHole, drop(22)},
		{"a message known only by the chain", ruleHole, set(23, func(e *event) { e.seq, e.prev = 5, 4 })},
		{"a session that begins after the acknowledged messages", ruleHole, drop(7, 8, 21)},
		{"a bare session that does", ruleHole, drop(11, 12)},
		{"a message skipped by a bare device", ruleHole, more(
			event{kind: pushing, channel: "c", id: "m4"}, event{kind: pushing, channel: "c", id: "m5"},
			event{kind: pushed, channel: "c", id: "m4", seq: 4}, event{kind: pushed, channel: "c", id: "m5", seq: 5},
			event{kind: received, device: "p", session: 4, id: "m5"}, event{kind: received, device: "p", session: 4, id: "m4"})},
		{"a gap without missing messages", ruleInvented, more(event{kind: gap, device: "a", session: 5, channel: "c", seq: 3, prev: 3})},
		{"a message that an unrelated key does not excuse", ruleLost, more(
			event{kind: pushing, channel: "c", id: "m4", key: "k"}, event{kind: pushed, channel: "c", id: "m4", seq: 4},
			event{kind: pushing, channel: "c", id: "m5", key: "l"}, event{kind: pushed, channel: "c", id: "m5", seq: 5})},
		{"the latest message with its key", ruleLost, more(
			event{kind: pushing, channel: "c", id: "m4", key: "k"}, event{kind: pushed, channel: "c", id: "m4", seq: 5},
			event{kind: pushing, channel: "c", id: "m5", key: "k"}, event{kind: pushed, channel: "c", id: "m5", seq: 4})},
		{"a revocation that skips a message", ruleHole, func(events []event) []event {
			return append(events,
				event{kind: pushing, channel: "c", id: "m4"}, event{kind: pushed, channel: "c", id: "m4", seq: 4},
				event{kind: pushing, channel: "c", id: "m5"}, event{kind: pushed, channel: "c", id: "m5", seq: 5},
				event{kind: revoking, channel: "c", id: "m5"}, event{kind: withdrawn, device: "a", session: 5, channel: "c", seq: 6})
		}},
		{"a revocation before the session's position", ruleReordered, more(
			event{kind: revoking, channel: "c", id: "m1"}, event{kind: withdrawn, device: "a", session: 5, channel: "c", seq: 2})},
		{"two sequences for one message", ruleDouble, set(23, func(e *event) { e.seq = 4 })},
		{"two messages with one sequence", ruleDouble, set(16, func(e *event) { e.seq = 2 })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := check(doctoredDevices, tc.doctor(sound()), true)
			if !slices.ContainsFunc(r.violations, func(v violation) bool { return v.rule == tc.rule }) {
				t.Errorf("found %v, want %s", r.violations, tc.rule)
			}
		})
	}
}

// TestCheckerExcusesCrash: an acknowledgement may be lost with a server that was killed
// before its response was read.
func TestCheckerExcusesCrash(t *testing.T) {
	events := sound()
	events[19] = event{kind: nothing}
	events = slices.Insert(events, 8, event{kind: crash}) // between acking and acked
	for i := range events {
		if events[i].at > 8 {
			events[i].at++
		}
	}
	for _, v := range check(doctoredDevices, events, true).violations {
		if v.rule == ruleRepeated && strings.HasPrefix(v.text, "received a/") {
			t.Error(v)
		}
	}
}

// TestCheckerTakesGaps: messages in a gap are neither lost nor a hole.
func TestCheckerTakesGaps(t *testing.T) {
	events := sound()
	events[21] = event{kind: gap, device: "a", session: 5, channel: "c", seq: 0, prev: 3}
	events[22] = event{kind: nothing}
	if r := check(doctoredDevices, events, true); len(r.violations) != 0 || r.gaps != 1 {
		t.Errorf("%d gaps, %v", r.gaps, r.violations)
	}
	// A gap that ends before the hole does not cover it.
	events[21].prev = 2
	if r := check(doctoredDevices, events, true); len(r.violations) == 0 {
		t.Error("a hole after the gap was not found")
	}
}

// TestCheckerExcusesGone: replaced, revoked or expired messages need not be delivered.
func TestCheckerExcusesGone(t *testing.T) {
	events := append(sound(),
		event{kind: pushing, channel: "c", id: "m4", key: "k"}, event{kind: pushed, channel: "c", id: "m4", seq: 4},
		event{kind: pushing, channel: "c", id: "m5", fades: true}, event{kind: pushed, channel: "c", id: "m5", seq: 5},
		event{kind: pushing, channel: "c", id: "m6"}, event{kind: pushed, channel: "c", id: "m6", seq: 6},
		event{kind: revoking, channel: "c", id: "m6"},
		event{kind: withdrawn, device: "a", session: 5, channel: "c", seq: 7},
		event{kind: pushing, channel: "c", id: "m8", key: "k"}, event{kind: pushed, channel: "c", id: "m8", seq: 8},
		event{kind: received, device: "a", session: 5, channel: "c", id: "m8", seq: 8, prev: 7},
		event{kind: received, device: "p", session: 4, id: "m8"},
	)
	r := check(doctoredDevices, events, true)
	for _, v := range r.violations {
		t.Error(v)
	}
	if r.revocations != 1 {
		t.Errorf("counted %v", r)
	}
}

// BenchmarkCheck measures the checker, which runs repeatedly at the end of a run.
func BenchmarkCheck(b *testing.B) {
	events := []event{{kind: began, device: "a", session: 1}}
	for i := range uint64(50_000) {
		id := fmt.Sprint("m", i)
		events = append(events, event{kind: pushing, channel: "c", id: id}, event{kind: pushed, channel: "c", id: id, seq: i + 1},
			event{kind: received, device: "a", session: 1, channel: "c", id: id, seq: i + 1, prev: i})
		if i%100 == 0 {
			at := len(events)
			events = append(events, event{kind: acking, device: "a", session: 1, at: at}, event{kind: acked, device: "a", session: 1, at: at})
		}
	}
	for b.Loop() {
		check(doctoredDevices, events, false)
	}
}
