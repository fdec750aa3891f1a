package torture

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

var (
	clusterDevices = []device{{name: "a", user: "u", channels: []string{"c"}}, {name: "b", user: "u", channels: []string{"c"}}}
	clusterLimits  = &limits{save: time.Second, live: 2 * time.Second}
)

const sec = time.Second

// soundCluster is a valid history of two nodes, x and y, that are disturbed from 3 to 5 s.
func soundCluster() []event {
	return []event{
		0:  {kind: live, node: "x"},
		1:  {kind: live, node: "y"},
		2:  {kind: began, device: "a", session: 1},
		3:  {kind: connected, device: "a", session: 1},
		4:  {kind: pushing, channel: "c", id: "m1"},
		5:  {kind: pushed, channel: "c", id: "m1", seq: 1, node: "x"},
		6:  {kind: pushed, channel: "c", id: "m1", seq: 1, node: "y"}, // a repeat
		7:  {kind: received, device: "a", session: 1, channel: "c", id: "m1", seq: 1},
		8:  {kind: acking, device: "a", session: 1, at: 8},
		9:  {kind: acked, device: "a", session: 1, at: 8, when: sec},
		10: {kind: pushing, channel: "c", id: "m2"},
		11: {kind: pushed, channel: "c", id: "m2", seq: 2, node: "y", when: sec},
		12: {kind: received, device: "a", session: 1, channel: "c", id: "m2", seq: 2, prev: 1, when: sec},
		13: {kind: began, device: "b", session: 2, when: sec},
		14: {kind: received, device: "b", session: 2, channel: "c", id: "m1", seq: 1, when: sec},
		15: {kind: received, device: "b", session: 2, channel: "c", id: "m2", seq: 2, prev: 1, when: sec},
		16: {kind: marked, node: "x", user: "u", channel: "c", seq: 1, when: sec},
		17: {kind: saw, node: "x", user: "u", channel: "c", seq: 1, at: 17, when: sec},
		18: {kind: saw, node: "y", user: "u", channel: "c", seq: 0, at: 17, when: sec}, // it does not know yet
		19: {kind: disturbed, when: 3 * sec},
		20: {kind: acking, device: "b", session: 2, at: 20, when: 3 * sec},
		21: {kind: acked, device: "b", session: 2, at: 20, when: 3 * sec}, // saved only after the disturbance
		22: {kind: healed, when: 4 * sec},
		23: {kind: live, node: "x", at: 23, when: 5 * sec},
		24: {kind: live, node: "y", at: 23, when: 5 * sec},
		25: {kind: began, device: "b", session: 3, when: 5 * sec},
		26: {kind: connected, device: "b", session: 3, when: 5 * sec},
		27: {kind: received, device: "b", session: 3, channel: "c", id: "m1", seq: 1, when: 5 * sec},
		28: {kind: received, device: "b", session: 3, channel: "c", id: "m2", seq: 2, prev: 1, when: 5 * sec},
		29: {kind: acking, device: "b", session: 3, at: 29, when: 5 * sec},
		30: {kind: acked, device: "b", session: 3, at: 29, when: 5 * sec},
		31: {kind: kicking, user: "u", when: 6 * sec},
		32: {kind: pushing, channel: "c", id: "m3", when: 6 * sec},
		33: {kind: received, device: "b", session: 3, channel: "c", id: "m3", seq: 3, prev: 2, when: 6 * sec}, // during the kick
		34: {kind: kicked, user: "u", when: 6 * sec},
		35: {kind: pushed, channel: "c", id: "m3", seq: 3, node: "x", when: 6 * sec},
		36: {kind: pushing, channel: "c", id: "m4", when: 6 * sec},
		37: {kind: pushed, channel: "c", id: "m4", seq: 4, node: "x", when: 6 * sec},
		38: {kind: began, device: "a", session: 4, when: 6 * sec},
		39: {kind: received, device: "a", session: 4, channel: "c", id: "m2", seq: 2, prev: 1, when: 6 * sec},
		40: {kind: received, device: "a", session: 4, channel: "c", id: "m3", seq: 3, prev: 2, when: 6 * sec},
		41: {kind: received, device: "a", session: 4, channel: "c", id: "m4", seq: 4, prev: 3, when: 6 * sec},
		42: {kind: began, device: "b", session: 5, when: 8 * sec},
		43: {kind: connected, device: "b", session: 5, when: 8 * sec},
		44: {kind: received, device: "b", session: 5, channel: "c", id: "m3", seq: 3, prev: 2, when: 8 * sec},
		45: {kind: received, device: "b", session: 5, channel: "c", id: "m4", seq: 4, prev: 3, when: 8 * sec},
		46: {kind: saw, node: "y", user: "u", channel: "c", seq: 1, at: 46, when: 8 * sec},
		47: {kind: saw, node: "y", user: "u", channel: "c", device: "b", seq: 2, at: 46, when: 8 * sec},
		48: {kind: listing, node: "x", channel: "c", when: 8 * sec},
		49: {kind: listed, node: "x", channel: "c", id: "m3", seq: 3, prev: 2, when: 8 * sec},
		50: {kind: listed, node: "x", channel: "c", id: "m4", seq: 4, prev: 3, when: 8 * sec},
		51: {kind: listing, node: "y", channel: "c", when: 8 * sec},
		52: {kind: listed, node: "y", channel: "c", id: "m3", seq: 3, prev: 2, when: 8 * sec},
		53: {kind: listed, node: "y", channel: "c", id: "m4", seq: 4, prev: 3, when: 8 * sec},
		54: {kind: admitted, node: "y", user: "r", seq: 1, at: 54, when: 8 * sec},
		55: {kind: outdating, node: "x", user: "r", seq: 1, when: 8 * sec},
		56: {kind: outdated, node: "x", user: "r", seq: 1, when: 8 * sec},
		57: {kind: served, node: "y", user: "r", session: 54, at: 55, when: 8 * sec},
		58: {kind: denied, node: "x", user: "r", seq: 1, at: 58, when: 8 * sec},
		59: {kind: admitted, node: "y", user: "r", seq: 1, at: 58, when: 8 * sec}, // it does not know yet
		60: {kind: admitted, node: "x", user: "r", seq: 2, at: 59, when: 8 * sec},
		61: {kind: served, node: "y", user: "r", session: 59, at: 59, when: 8 * sec},
		62: {kind: nothing, when: 12 * sec},
		63: {kind: denied, node: "y", user: "r", seq: 1, at: 63, when: 12 * sec},
		64: {kind: served, node: "x", user: "r", session: 60, at: 64, when: 12 * sec},
	}
}

func TestClusterCheckerAcceptsSound(t *testing.T) {
	r := checkCluster(clusterDevices, soundCluster(), true, clusterLimits)
	for _, v := range r.violations {
		t.Error(v)
	}
	if r.pushes != 4 || r.confirmed != 5 || r.sessions != 5 || r.outdated != 1 || r.denied != 2 {
		t.Errorf("counted %v", r)
	}
}

// TestClusterCheckerRejects: each of these histories has one fault, which the checker
// finds.
func TestClusterCheckerRejects(t *testing.T) {
	set := func(change func(*event), at ...int) func([]event) []event {
		return func(events []event) []event {
			for _, i := range at {
				change(&events[i])
			}
			return events
		}
	}
	drop := func(at ...int) func([]event) []event {
		return set(func(e *event) { *e = event{kind: nothing, when: e.when} }, at...)
	}
	for _, tc := range []struct {
		name, rule string
		doctor     func([]event) []event
	}{
		{"one id with two results from two nodes", ruleDouble, set(func(e *event) { e.seq = 9 }, 6)},
		{"a repeat that another node stored again", ruleDouble, set(func(e *event) { *e = event{kind: listed, node: "y", channel: "c", id: "m3", seq: 5, prev: 4} }, 53)},
		{"another message with a sequence on one node", ruleDouble, set(func(e *event) { e.id = "m4" }, 52)},
		{"another message before one, on another node", ruleForked, set(func(e *event) { e.prev = 0 }, 28)},
		{"another message before one, in a list", ruleForked, set(func(e *event) { e.prev = 2 }, 53)},
		{"a message that one node has not", ruleForked, drop(52)},
		{"a message that one node still has", ruleForked, drop(49)},
		{"an empty node", ruleForked, drop(52, 53)},
		{"a repeat of what was acknowledged 1 s before", ruleRepeated, set(func(e *event) { e.id, e.seq, e.prev = "m1", 1, 0 }, 39)},
		{"the same although there was a disturbance later", ruleRepeated, func(events []event) []event {
			events[19].when, events[20].when, events[21].when = 7*sec, 7*sec, 7*sec
			return set(func(e *event) { e.id, e.seq, e.prev = "m1", 1, 0 }, 39)(drop(22, 23, 24)(events))
		}},
		{"a repeat 1 s after a disturbance", ruleRepeated, set(func(e *event) { e.id, e.seq, e.prev = "m2", 2, 1 }, 44)},
		{"a mark that decreases", ruleBackwards, set(func(e *event) { e.seq = 5 }, 18)},
		{"a cursor that decreases", ruleBackwards, set(func(e *event) {
			*e = event{kind: saw, node: "y", user: "u", channel: "c", device: "b", seq: 3, at: 46, when: 8 * sec}
		}, 46)},
		{"a mark that its node does not show", ruleBackwards, set(func(e *event) { e.seq = 0 }, 17)},
		{"a mark that another node does not show later", ruleBackwards, set(func(e *event) { e.seq = 0 }, 46)},
		{"a message to a session after its end", ruleKicked, set(func(e *event) { e.session = 3 }, 44, 45)},
		{"one to a session on another node", ruleKicked, set(func(e *event) { *e = event{kind: connected, device: "a", session: 4, when: 6 * sec} }, 30)},
		{"a repeat of what was acknowledged 1 s before a kill", ruleRepeated, repeatToB(8500 * time.Millisecond)},
		{"a cursor that was shown 1 s before a kill", ruleBackwards, showToB(16 * sec)},
		{"a node that delivers nothing after a disturbance", ruleDead, drop(24)},
		{"one that does so too late", ruleDead, set(func(e *event) { e.when += 3 * sec }, 24)},
		{"one that delivers only what was pushed before", ruleDead, set(func(e *event) { e.at = 21 }, 24)},
		{"a message that a session skips although it was not acknowledged", ruleHole, drop(44)},
		{"a message that one device never gets", ruleLost, drop(45)},
		{"a token that is accepted by the node that has revoked it", ruleRevoked, set(func(e *event) { e.node = "x" }, 59)},
		{"one that another node accepts much later", ruleRevoked, set(func(e *event) { e.kind = admitted }, 63)},
		{"a token that is refused but not revoked", ruleRevoked, set(func(e *event) { e.seq = 2 }, 58)},
		{"one that is refused before it is revoked", ruleRevoked, func(events []event) []event {
			events[54], events[58] = events[58], events[54]
			return drop(57, 58)(events)
		}},
		{"a message to a session whose token is revoked", ruleRevoked, set(func(e *event) { e.at = 57 }, 57)},
		{"one to a session that a node without knowledge accepted, much later", ruleRevoked, set(func(e *event) { e.session = 59 }, 64)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := checkCluster(clusterDevices, tc.doctor(soundCluster()), true, clusterLimits)
			if !slices.ContainsFunc(r.violations, func(v violation) bool { return v.rule == tc.rule }) {
				t.Errorf("found %v, want %s", r.violations, tc.rule)
			}
			for _, v := range r.violations {
				if v.rule != tc.rule {
					t.Logf("and %v", v)
				}
			}
		})
	}
}

// repeatToB makes the last session of device b begin with a message that it had acknowledged
// at 5 s, after a kill at some time.
func repeatToB(kill time.Duration) func([]event) []event {
	return func(events []event) []event {
		events[43] = event{kind: received, device: "b", session: 5, channel: "c", id: "m2", seq: 2, prev: 1, when: 8 * sec}
		events[46] = event{kind: crash, when: kill}
		return events
	}
}

// showToB makes a node show a cursor at 12 s that the other does not show at the end, after a
// kill at some time.
func showToB(kill time.Duration) func([]event) []event {
	return func(events []event) []event {
		return append(
			events, event{kind: saw, node: "x", user: "u", channel: "c", device: "b", seq: 4, at: len(events), when: 12 * sec},
			event{kind: crash, when: kill}, event{kind: nothing, when: 30 * sec},
			event{kind: saw, node: "y", user: "u", channel: "c", device: "b", seq: 2, at: len(events) + 3, when: 30 * sec},
		)
	}
}

// repeatToA makes the second session of device a begin with the message before.
func repeatToA(events []event) []event {
	for i := 39; i <= 41; i++ {
		seq := uint64(i - 38)
		events[i].id, events[i].seq, events[i].prev = fmt.Sprint("m", seq), seq, seq-1
	}
	for _, i := range []int{36, 37, 45, 50, 53} { // of m4
		events[i] = event{kind: nothing}
	}
	return events
}

// TestClusterCheckerExcuses: what may happen while something is disturbed, or soon after an
// acknowledgement.
func TestClusterCheckerExcuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		doctor func([]event) []event
	}{
		{"a repeat within 1 s", func(events []event) []event {
			for i := 38; i <= 41; i++ {
				events[i].when = 1900 * time.Millisecond
			}
			return repeatToA(events)
		}},
		{"a repeat after a time in which messages took as long", func(events []event) []event {
			events[19], events[22] = event{kind: nothing, when: 3 * sec}, event{kind: nothing, when: 4 * sec}
			for _, i := range []int{23, 24} {
				events[i].at, events[i].when = 20, 7*sec
			}
			return repeatToA(events)
		}},
		{"a session that skips what a node began to repeat", func(events []event) []event {
			events[42].when = 5500 * time.Millisecond
			events[43] = event{kind: received, device: "b", session: 5, channel: "c", id: "m1", seq: 1, when: 5500 * time.Millisecond}
			return events
		}},
		{"a message to a session whose token is revoked, from a node that is cut off", func(events []event) []event {
			for i := 48; i < 53; i++ {
				events[i] = event{kind: nothing, when: 8 * sec}
			}
			events[53] = event{kind: disturbed, when: 8 * sec}
			events[57].at, events[63].kind = 57, admitted
			return events
		}},
		{"a node that is disturbed again at once", func(events []event) []event {
			events[23] = event{kind: disturbed, when: 5 * sec}
			events[24] = event{kind: nothing}
			return events
		}},
		{"a repeat of what was acknowledged soon before a kill", repeatToB(5500 * time.Millisecond)},
		{"a cursor that was shown soon before a kill", showToB(12500 * time.Millisecond)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, v := range checkCluster(clusterDevices, tc.doctor(soundCluster()), true, clusterLimits).violations {
				t.Error(v)
			}
		})
	}
}
