package torture

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

// limits are the times that a cluster may take.
type limits struct {
	// save is how long after its receipt an acknowledgement is known to all nodes, unless
	// something is disturbed, or the machine is so busy that messages take as long.
	save time.Duration
	// live is how long after a disturbance all nodes deliver what is pushed to any of them.
	live time.Duration
}

// cluster checks the rules of clusters.
func (c *checker) cluster(events []event) {
	c.sameEverywhere(events)
	c.sameLists(events)
	c.neverBack(events)
	c.nothingAfterKick(events)
	c.revokedTokens(events)
	c.aliveAgain(events)
}

// interval is a time from one moment to another. The last one may never end.
type interval struct{ from, to time.Duration }

const never = time.Duration(1<<63 - 1)

// disturbances are the times in which something was disturbed, or the nodes had not shown
// yet that it was over.
func disturbances(events []event) (all []interval) {
	nodes := nodesOf(events)
	waiting := make(map[string]bool) // for the first live of these
	over := -1                       // the event healed
	for i, e := range events {
		switch e.kind {
		case disturbed:
			if len(all) == 0 || all[len(all)-1].to != never {
				all = append(all, interval{e.when, never})
			}
			over = -1
		case healed:
			over = i
			for _, node := range nodes {
				waiting[node] = true
			}
		case live:
			if over < 0 || e.at <= over {
				continue
			}
			if delete(waiting, e.node); len(waiting) == 0 {
				all[len(all)-1].to = e.when
				over = -1
			}
		}
	}
	return all
}

// nodesOf lists the nodes that were live at some time.
func nodesOf(events []event) []string {
	nodes := make(map[string]bool)
	for _, e := range events {
		if e.kind == live {
			nodes[e.node] = true
		}
	}
	return slices.Sorted(maps.Keys(nodes))
}

// probes are the times from the push of a message to a node to its delivery by all, by node.
func probes(events []event) map[string][]interval {
	all := make(map[string][]interval)
	for _, e := range events {
		if e.kind == live {
			all[e.node] = append(all[e.node], interval{events[max(0, e.at-1)].when, e.when})
		}
	}
	return all
}

// saved is when an acknowledgement that a node received at some time is known to all: the
// end of the first undisturbed time of sufficient length. Each node must also have shown
// that what is pushed after the first half of that time reaches all nodes: on a machine
// that stands still meanwhile it takes longer.
func (c *checker) saved(at time.Duration) time.Duration {
	from := c.calmFrom(at)
	if from == never {
		return never
	}
	known := from + c.limits.save
	for _, of := range c.probes {
		n := sort.Search(len(of), func(n int) bool { return of[n].from >= from+c.limits.save/2 })
		if n < len(of) {
			known = max(known, of[n].to)
		} else { // there are no more probes
			known = max(known, of[len(of)-1].to, from+3*c.limits.save)
		}
	}
	return known
}

// killed reports whether an acknowledgement that a node received at some time may be lost: a
// node was killed before it was known to all.
func (c *checker) killed(at time.Duration) bool {
	n := sort.Search(len(c.kills), func(n int) bool { return c.kills[n] >= at })
	return n < len(c.kills) && c.kills[n] <= c.saved(at)
}

// calmFrom is when the first undisturbed time of sufficient length begins.
func (c *checker) calmFrom(at time.Duration) time.Duration {
	from := at
	n := sort.Search(len(c.disturbed), func(n int) bool { return c.disturbed[n].to >= at })
	for _, d := range c.disturbed[n:] {
		if d.from > from+c.limits.save {
			break
		}
		if d.to == never {
			return never
		}
		from = max(from, d.to)
	}
	return from
}

// sameEverywhere: a message has the same predecessor wherever it is read.
func (c *checker) sameEverywhere(events []event) {
	type place struct {
		channel string
		seq     uint64
	}
	first := make(map[place]event)
	for _, e := range events {
		if e.kind != received && e.kind != listed || e.seq == 0 {
			continue
		}
		at := place{e.channel, e.seq}
		if f, there := first[at]; !there {
			first[at] = e
		} else if f.prev != e.prev {
			c.violate(ruleForked, "%v: before it was %v", e, f)
		}
	}
}

// sameLists: in the last lists, all nodes have the same messages.
func (c *checker) sameLists(events []event) {
	lists := make(map[string]map[string][]uint64) // channel, node
	for _, e := range events {
		switch e.kind {
		case listing:
			if lists[e.channel] == nil {
				lists[e.channel] = make(map[string][]uint64)
			}
			lists[e.channel][e.node] = []uint64{}
		case listed:
			lists[e.channel][e.node] = append(lists[e.channel][e.node], e.seq)
		}
	}
	for channel, of := range lists {
		nodes := slices.Sorted(maps.Keys(of))
		for _, node := range nodes[1:] {
			if !slices.Equal(of[nodes[0]], of[node]) {
				c.violate(ruleForked, "%s: %s", channel, difference(nodes[0], of[nodes[0]], node, of[node]))
			}
		}
	}
}

// difference describes the first difference of two lists.
func difference(a string, of []uint64, b string, other []uint64) string {
	for i := range min(len(of), len(other)) {
		if of[i] != other[i] {
			return fmt.Sprintf("message %d is %d on node %s, %d on node %s", i, of[i], a, other[i], b)
		}
	}
	return fmt.Sprintf("node %s lists %d messages, node %s %d", a, len(of), b, len(other))
}

// confirmations are the read marks that were confirmed or shown for a user and channel, in
// order. Each is the highest until then.
type confirmations []struct {
	at   int
	when time.Duration
	seq  uint64
}

func (c confirmations) add(at int, e event) confirmations {
	seq := e.seq
	if len(c) > 0 {
		seq = max(seq, c[len(c)-1].seq)
	}
	return append(c, confirmations{{at, e.when, seq}}...)
}

// highest returns the highest mark of the first n.
func (c confirmations) highest(n int) uint64 {
	if n == 0 {
		return 0
	}
	return c[n-1].seq
}

// neverBack: what a node shows of a user never decreases while nothing is disturbed. It has
// the read marks that the same node had confirmed before it was asked, and everything that
// any node had confirmed or shown so long before that it is known to all. A node may show what
// is lost if it is killed at once, but confirms only what is stored.
func (c *checker) neverBack(events []event) {
	type value struct{ node, user, channel, device string }
	shown := make(map[value]event)
	confirmed := make(map[value]confirmations) // of a node, or of all with node ""
	for i, e := range events {
		v := value{e.node, e.user, e.channel, e.device}
		anywhere := value{"", e.user, e.channel, e.device}
		switch e.kind {
		case marked:
			confirmed[v] = confirmed[v].add(i, e)
			confirmed[anywhere] = confirmed[anywhere].add(i, e)
		case saw:
			before, there := shown[v]
			if there && e.seq < before.seq && !c.disturbedIn(interval{before.when, e.when}) {
				c.violate(ruleBackwards, "%v: it was %d before", e, before.seq)
			}
			shown[v] = e
			here, all := confirmed[v], confirmed[anywhere]
			asked := events[max(0, e.at-1)].when
			least := max(
				here.highest(sort.Search(len(here), func(n int) bool { return here[n].at >= e.at })),
				all.highest(sort.Search(len(all), func(n int) bool { return c.saved(all[n].when) > asked })))
			if e.seq < least {
				c.violate(ruleBackwards, "%v: %d had been confirmed or shown", e, least)
			}
			if !c.killed(e.when) {
				confirmed[anywhere] = confirmed[anywhere].add(i, e)
			}
		}
	}
}

func (c *checker) disturbedIn(in interval) bool {
	return slices.ContainsFunc(c.disturbed, func(d interval) bool { return d.from <= in.to && in.from <= d.to })
}

// nothingAfterKick: a session that was established when its user was about to be
// disconnected gets no message that was pushed after that was done, unless nodes may have
// been unable to reach each other meanwhile.
func (c *checker) nothingAfterKick(events []event) {
	type kick struct{ from, to int }
	kicks := make(map[string][]kick) // user
	begun := make(map[string]int)    // user: the last kicking
	pushedAt := make(map[string]int) // id: the first event of it
	established := make(map[int]int) // session
	for i, e := range events {
		switch e.kind {
		case kicking:
			begun[e.user] = i
		case kicked:
			if from := begun[e.user]; !c.disturbedIn(interval{events[from].when, e.when}) {
				kicks[e.user] = append(kicks[e.user], kick{from, i})
				c.kicks++
			}
		case pushing:
			if _, there := pushedAt[e.id]; !there {
				pushedAt[e.id] = i
			}
		case connected:
			established[e.session] = i
		case received:
			since, there := established[e.session]
			if !there {
				continue // it may have been established after any kick
			}
			of := kicks[c.devices[e.device].user]
			n := sort.Search(len(of), func(n int) bool { return of[n].from > since })
			if n < len(of) && pushedAt[e.id] > of[n].to {
				c.violate(ruleKicked, "%v: the session is from event %d, its user was disconnected in %d, this was pushed in %d",
					e, since, of[n].to, pushedAt[e.id])
			}
		}
	}
}

// aliveAgain: soon after a disturbance, and before the next, every node is live.
func (c *checker) aliveAgain(events []event) {
	nodes := nodesOf(events)
	for i, e := range events {
		if e.kind != healed {
			continue
		}
		end := e.when + c.limits.live
		missing := slices.Clone(nodes)
		n := i + 1
		for ; n < len(events) && events[n].kind != disturbed && events[n].when <= end; n++ {
			if l := events[n]; l.kind == live && l.at > i {
				missing = slices.DeleteFunc(missing, func(node string) bool { return node == l.node })
			}
		}
		ended := n == len(events) || events[n].when <= end // by another disturbance
		if !ended && len(missing) > 0 {
			c.violate(ruleDead, "%v at %s: %s later there was no message from %v to all nodes", e, e.when, c.limits.live, missing)
		}
	}
}

// timeline describes what was disturbed when.
func timeline(events []event) string {
	var b strings.Builder
	for i, e := range events {
		if e.kind == disturbed || e.kind == healed {
			fmt.Fprintf(&b, "%s %s at %s (event %d); ", kindNames[e.kind], e.id, e.when.Round(time.Millisecond), i)
		}
	}
	return b.String()
}
