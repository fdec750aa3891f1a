package torture

import (
	"sort"
	"time"
)

// revocation is one of all tokens up to a generation.
type revocation struct {
	generation  uint64
	from, to    int           // the events before it and after it
	known       time.Duration // when all nodes know of it
	undisturbed bool
}

// revocations are those that were confirmed, in order.
type revocations []revocation

// of returns the first one that includes a generation.
func (all revocations) of(generation uint64) (r revocation, there bool) {
	n := sort.Search(len(all), func(n int) bool { return all[n].generation >= generation })
	if n == len(all) {
		return r, false
	}
	return all[n], true
}

// revokedTokens: no token is refused before it is revoked. The node that has confirmed the
// revocation refuses it from then on, and the others do soon after. A session that was made
// with one gets nothing that was pushed when all nodes knew of the revocation. If nothing was
// disturbed, and the session was there before, it gets nothing that was pushed after the
// confirmation.
func (c *checker) revokedTokens(events []event) {
	confirmed := make(map[string]revocations) // by node, and of all with node ""
	begun := make(map[uint64]int)
	newest, any := uint64(0), false // of what may be revoked
	for i, e := range events {
		switch e.kind {
		case outdating:
			begun[e.seq], newest, any = i, max(newest, e.seq), true
		case outdated:
			from := begun[e.seq]
			r := revocation{e.seq, from, i, c.saved(e.when), !c.disturbedIn(interval{events[from].when, e.when})}
			for _, node := range []string{e.node, ""} {
				confirmed[node] = append(confirmed[node], r)
			}
			if r.undisturbed {
				c.outdated++
			}
		case denied:
			c.denied++
			if !any || e.seq > newest {
				c.violate(ruleRevoked, "%v: the token was not revoked", e)
			}
		case admitted:
			asked := events[max(0, e.at-1)].when
			here, ok := confirmed[e.node].of(e.seq)
			if ok && here.to < e.at {
				c.violate(ruleRevoked, "%v: this node had confirmed in %d that the token is revoked", e, here.to)
			}
			if r, ok := confirmed[""].of(e.seq); ok && r.known < asked {
				c.violate(ruleRevoked, "%v: the token was revoked in %d", e, r.to)
			}
		case served:
			c.servedRevoked(events, e, confirmed[""])
		}
	}
}

// servedRevoked checks a message to a session whose token may be revoked.
func (c *checker) servedRevoked(events []event, e event, confirmed revocations) {
	r, ok := confirmed.of(events[e.session].seq)
	if !ok {
		return
	}
	late := r.known < events[max(0, e.at-1)].when
	if late || r.undisturbed && e.session < r.from && r.to < e.at {
		c.violate(ruleRevoked, "%v: the token of the session was revoked in %d", e, r.to)
	}
}
