package torture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"
)

// The rules that a history must not break. Each violation names one.
const (
	ruleLost      = "lost"      // every confirmed push is received by every device
	ruleInvented  = "invented"  // only messages pushed to that channel are received
	ruleReordered = "reordered" // per channel, a session gets increasing sequences; a push that began after the response to another one has a higher sequence
	ruleRepeated  = "repeated"  // acknowledged messages are not repeated, except after a crash
	ruleHole      = "hole"      // a session skips no message, unless it got a gap
	ruleDouble    = "double"    // a message has one sequence and a sequence one message, for all devices and at all times

	// Of clusters, see checkcluster_test.go.
	ruleForked    = "forked"    // all nodes have the same messages, and the same message before each
	ruleBackwards = "backwards" // read marks and cursors of a node never decrease, and no confirmed mark is lost
	ruleKicked    = "kicked"    // a session that was disconnected gets nothing that was pushed later
	ruleDead      = "dead"      // soon after a disturbance all nodes deliver again
	ruleRevoked   = "revoked"   // a revoked token is refused from then on, and others are not; sessions with one get nothing that was pushed later
)

type violation struct{ rule, text string }

func (v violation) String() string { return v.rule + ": " + v.text }

// report is the result of a checker.
type report struct {
	pushes, confirmed, deliveries, sessions, gaps, revocations, crashes int
	repeats                                                             int // messages that a device got again
	kicks                                                               int // that the rule is checked for
	outdated, denied                                                    int // likewise revocations of tokens, and tokens that were refused
	violations                                                          []violation
	tally                                                               *tally // of a cluster
}

func (r *report) String() string {
	text := fmt.Sprintf("%d pushes (%d confirmed), %d revocations, %d deliveries (%d of them again) in %d sessions, %d gaps, violations = %d",
		r.pushes, r.confirmed, r.revocations, r.deliveries, r.repeats, r.sessions, r.gaps, len(r.violations))
	if r.tally == nil {
		return fmt.Sprintf("%d kills, %s", r.crashes/2, text)
	}
	return fmt.Sprintf("%s, %d kicks, %d revocations of tokens, %d tokens refused, %v", text, r.kicks, r.outdated, r.denied, r.tally)
}

// add adds the counts of another report.
func (r *report) add(more *report) {
	r.pushes += more.pushes
	r.confirmed += more.confirmed
	r.deliveries += more.deliveries
	r.sessions += more.sessions
	r.gaps += more.gaps
	r.revocations += more.revocations
	r.crashes += more.crashes
	r.repeats += more.repeats
	r.kicks += more.kicks
	r.outdated += more.outdated
	r.denied += more.denied
	r.tally = r.tally.plus(more.tally)
	r.violations = append(r.violations, more.violations...)
}

// push is the known state of a message.
type push struct {
	channels  map[string]bool
	confirmed map[string]uint64 // seq by channel
	key       string
	fades     bool
	revoked   map[string]bool // by channel: a revocation was requested
}

// replaced is the known state of the messages with one key in one channel.
type replaced struct {
	latest  uint64 // the highest known sequence
	unknown bool   // some of them have no known sequence
}

// entry is a message in the log of a channel.
type entry struct {
	seq uint64
	id  string
}

// position is the position of a session in a channel.
type position struct {
	last    uint64      // the last received in this session; 0 for none
	through uint64      // this session need not get messages up to it
	gaps    [][2]uint64 // gaps received, exclusive at both ends
}

// mark is the sequence that a device has acknowledged in a channel.
type mark struct {
	may uint64 // the highest sequence that it may have acknowledged
	// sure has the acknowledgements that the server is known to have received, by
	// sequence.
	sure map[uint64]known
}

// known is an acknowledgement that the server has received some time after one event
// and before another. A reader may read the output of a server that was killed
// meanwhile much later.
type known struct {
	after, before int
	when          time.Duration // of before
}

type sessionState struct {
	device    *device
	began     int
	when      time.Duration // of began
	positions map[string]*position
	came      []cameAt // the messages received, in order
	// How many of those may be acknowledged, and how many certainly are.
	may, sure int
}

// cameAt is a message that a session received.
type cameAt struct {
	at      int
	channel string
	seq     uint64
}

// checker reads a history, event by event, after a first pass has collected the logs.
type checker struct {
	report
	devices   map[string]*device
	pushes    map[string]*push
	logs      map[string][]entry           // by sequence
	seqs      map[string]map[string]uint64 // channel, id
	sessions  map[int]*sessionState
	marks     map[string]map[string]*mark       // device, channel
	got       map[string]map[string]bool        // device: channel and id
	gapsOf    map[string]map[string][][2]uint64 // device, channel: gaps
	keys      map[string]*replaced              // channel and key
	limits    *limits                           // nil: it is not a cluster
	disturbed []interval                        // of a cluster
	probes    map[string][]interval             // of a cluster, see probes
	vague     map[string]bool                   // channels with records of unknown sequence that need not be delivered
	crashes   []int
	kills     []time.Duration // when these were
}

// check returns the violations of a history. With complete, pushes that some devices
// have not received count as lost.
func check(devices []device, events []event, complete bool) *report {
	return checkCluster(devices, events, complete, nil)
}

// checkCluster is check for several nodes, if there are limits.
func checkCluster(devices []device, events []event, complete bool, l *limits) *report {
	c := &checker{
		limits: l, devices: make(map[string]*device), pushes: make(map[string]*push), logs: make(map[string][]entry),
		sessions: make(map[int]*sessionState), marks: make(map[string]map[string]*mark),
		got: make(map[string]map[string]bool), gapsOf: make(map[string]map[string][][2]uint64),
		keys: make(map[string]*replaced), vague: make(map[string]bool),
	}
	for i := range devices {
		d := &devices[i]
		c.devices[d.name] = d
		c.marks[d.name], c.got[d.name], c.gapsOf[d.name] = make(map[string]*mark), make(map[string]bool), make(map[string][][2]uint64)
		for _, channel := range d.channels {
			c.marks[d.name][channel] = &mark{sure: make(map[uint64]known)}
		}
	}
	c.learn(events)
	if l != nil {
		c.disturbed, c.probes = disturbances(events), probes(events)
	}
	for i, e := range events {
		c.event(i, e)
	}
	c.confirmedInOrder(events)
	if l != nil {
		c.cluster(events)
	}
	if complete {
		c.complete()
	}
	return &c.report
}

func (c *checker) violate(rule, format string, args ...any) {
	c.violations = append(c.violations, violation{rule, fmt.Sprintf(format, args...)})
}

// learn collects the logs of the channels from all events with a sequence.
func (c *checker) learn(events []event) {
	logs := make(map[string]map[uint64]string)
	seqs := make(map[string]map[string]uint64)
	c.seqs = seqs
	note := func(e event) {
		if e.seq == 0 {
			return
		}
		if logs[e.channel] == nil {
			logs[e.channel], seqs[e.channel] = make(map[uint64]string), make(map[string]uint64)
		}
		if id, there := logs[e.channel][e.seq]; there && id != e.id {
			c.violate(ruleDouble, "%s: sequence %d is %q and %q", e.channel, e.seq, id, e.id)
		}
		if seq, there := seqs[e.channel][e.id]; there && seq != e.seq {
			c.violate(ruleDouble, "%s: %q has the sequences %d and %d", e.channel, e.id, seq, e.seq)
		}
		logs[e.channel][e.seq], seqs[e.channel][e.id] = e.id, e.seq
	}
	for i, e := range events {
		switch e.kind {
		case pushing:
			p := c.pushes[e.id]
			if p == nil {
				p = &push{
					channels: make(map[string]bool), confirmed: make(map[string]uint64), revoked: make(map[string]bool),
					key: e.key, fades: e.fades,
				}
				c.pushes[e.id] = p
			}
			p.channels[e.channel] = true
			c.report.pushes++
		case pushed:
			note(e)
			if p := c.pushes[e.id]; p != nil {
				p.confirmed[e.channel] = e.seq
			}
			c.confirmed++
		case received, listed:
			note(e)
		case crash:
			c.crashes, c.kills = append(c.crashes, i), append(c.kills, e.when)
			c.report.crashes++
		case revoking:
			c.revocations++
			c.vague[e.channel] = true
			if p := c.pushes[e.id]; p != nil {
				p.revoked[e.channel] = true
			}
		}
	}
	c.learnKeys()
	for channel, log := range logs {
		for _, seq := range slices.Sorted(maps.Keys(log)) {
			c.logs[channel] = append(c.logs[channel], entry{seq, log[seq]})
		}
	}
}

// learnKeys determines which messages may have been replaced by later ones.
func (c *checker) learnKeys() {
	for id, p := range c.pushes {
		for channel := range p.channels {
			seq := c.seqOf(channel, id, p)
			if (p.fades || p.key != "") && seq == 0 {
				c.vague[channel] = true
			}
			if p.key == "" {
				continue
			}
			name := channel + " " + p.key
			k := c.keys[name]
			if k == nil {
				k = new(replaced)
				c.keys[name] = k
			}
			k.latest, k.unknown = max(k.latest, seq), k.unknown || seq == 0
		}
	}
}

// gone reports whether a message may have left the log before it was delivered, which
// is not a loss: it was replaced, revoked, or has expired.
func (c *checker) gone(channel, id string) bool {
	p := c.pushes[id]
	if p == nil {
		return false
	}
	if p.fades || p.revoked[channel] {
		return true
	}
	k := c.keys[channel+" "+p.key]
	return k != nil && (k.unknown || k.latest > c.seqOf(channel, id, p))
}

// excused is gone for a sequence.
func (c *checker) excused(channel string, seq uint64) bool {
	log := c.logs[channel]
	n := sort.Search(len(log), func(n int) bool { return log[n].seq >= seq })
	if n < len(log) && log[n].seq == seq {
		return c.gone(channel, log[n].id)
	}
	return c.vague[channel]
}

func (c *checker) event(i int, e event) {
	switch e.kind {
	case began:
		c.report.sessions++
		s := &sessionState{device: c.devices[e.device], began: i, when: e.when, positions: make(map[string]*position)}
		for _, channel := range s.device.channels {
			s.positions[channel] = &position{through: c.marks[e.device][channel].may}
		}
		c.sessions[e.session] = s
	case received:
		c.deliveries++
		c.received(i, e)
	case acking, acked:
		c.acknowledged(i, e)
	case withdrawn:
		c.withdrawn(i, e)
	case gap:
		c.gaps++
		p := c.sessions[e.session].positions[e.channel]
		if p == nil || e.seq >= e.prev {
			c.violate(ruleInvented, "%v", e)
			return
		}
		p.gaps = append(p.gaps, [2]uint64{e.seq, e.prev})
		c.gapsOf[e.device][e.channel] = append(c.gapsOf[e.device][e.channel], [2]uint64{e.seq, e.prev})
	}
}

// received checks a message against the session's position.
func (c *checker) received(i int, e event) {
	s := c.sessions[e.session]
	p := c.pushes[e.id]
	if p == nil {
		c.violate(ruleInvented, "%v: it was not pushed", e)
		return
	}
	if e.channel == "" { // bare: the device is in one of the push's channels
		for _, channel := range s.device.channels {
			if p.channels[channel] {
				e.channel = channel
			}
		}
	}
	at := s.positions[e.channel]
	if at == nil || !p.channels[e.channel] {
		c.violate(ruleInvented, "%v: it is not for this device", e)
		return
	}
	if message := e.channel + " " + e.id; c.got[e.device][message] {
		c.repeats++
	} else {
		c.got[e.device][message] = true
	}
	if e.seq == 0 {
		if e.seq = c.seqOf(e.channel, e.id, p); e.seq == 0 {
			return // only bare devices got it, and the response was lost
		}
	}
	switch {
	case e.seq <= at.last:
		c.violate(ruleReordered, "%v: the session had %d", e, at.last)
	case at.last == 0:
		c.checkRepeat(i, e, s)
		c.checkHole(e, at, at.through)
	case c.limits != nil:
		// A device that reconnects to another node continues after what it has acknowledged
		// there, although a node that did not know that yet has begun to repeat it.
		c.checkHole(e, at, max(at.last, at.through))
	default:
		c.checkHole(e, at, at.last)
	}
	at.last = max(at.last, e.seq)
	s.came = append(s.came, cameAt{i, e.channel, e.seq})
}

// withdrawn checks a revocation against the session's position: it advances the session
// like a message, and must not skip messages either.
func (c *checker) withdrawn(i int, e event) {
	s := c.sessions[e.session]
	at := s.positions[e.channel]
	if at == nil {
		c.violate(ruleInvented, "%v: it is not for this device", e)
		return
	}
	if e.seq <= at.last {
		c.violate(ruleReordered, "%v: the session had %d", e, at.last)
	}
	c.checkHole(e, at, max(at.last, at.through))
	at.last = max(at.last, e.seq)
	s.came = append(s.came, cameAt{i, e.channel, e.seq})
}

func (c *checker) seqOf(channel, id string, p *push) uint64 {
	if seq := p.confirmed[channel]; seq != 0 {
		return seq
	}
	return c.seqs[channel][id]
}

// checkRepeat: the first message of a session is after those that the device had
// acknowledged before the session began.
func (c *checker) checkRepeat(i int, e event, s *sessionState) {
	for seq, k := range c.marks[e.device][e.channel].sure {
		if seq >= e.seq && k.before < s.began && !c.unsaved(k, s, i) {
			c.violate(ruleRepeated, "%v: %d was acknowledged before event %d, the session began in %d", e, seq, k.before, s.began)
			return
		}
	}
}

// unsaved reports whether an acknowledgement may have been lost, or may not have reached
// the node of the session yet.
func (c *checker) unsaved(k known, s *sessionState, now int) bool {
	if c.limits == nil {
		return c.crashed(k.after, now)
	}
	return s.when < c.saved(k.when) || c.killed(k.when)
}

// crashed reports whether the server was killed between two events.
func (c *checker) crashed(from, to int) bool {
	at, _ := slices.BinarySearch(c.crashes, from)
	return at < len(c.crashes) && c.crashes[at] <= to
}

// checkHole: the log has no message between low, which the session had received or
// which was acknowledged, and this message.
func (c *checker) checkHole(e event, at *position, low uint64) {
	if e.prev > low && !covered(at.gaps, e.prev) && !c.excused(e.channel, e.prev) {
		c.violate(ruleHole, "%v: the session was at %d", e, low)
		return
	}
	log := c.logs[e.channel]
	for n := sort.Search(len(log), func(n int) bool { return log[n].seq > low }); n < len(log) && log[n].seq < e.seq; n++ {
		if !covered(at.gaps, log[n].seq) && !c.gone(e.channel, log[n].id) {
			c.violate(ruleHole, "%v: %d, %q, was skipped; the session was at %d", e, log[n].seq, log[n].id, low)
			return
		}
	}
}

func covered(gaps [][2]uint64, seq uint64) bool {
	return slices.ContainsFunc(gaps, func(g [2]uint64) bool { return g[0] < seq && seq < g[1] })
}

func (c *checker) acknowledged(i int, e event) {
	s := c.sessions[e.session]
	done := &s.sure
	if e.kind == acking {
		done = &s.may
	}
	for ; *done < len(s.came) && s.came[*done].at < e.at; *done++ {
		came := s.came[*done]
		m := c.marks[e.device][came.channel]
		if e.kind == acking {
			m.may = max(m.may, came.seq)
		} else if _, there := m.sure[came.seq]; !there {
			m.sure[came.seq] = known{after: e.at, before: i, when: e.when}
		}
	}
}

// confirmedInOrder: a push that began after another one was confirmed is after it in
// the log.
func (c *checker) confirmedInOrder(events []event) {
	began := make(map[string]uint64) // of a push in progress: the highest sequence confirmed before it
	highest := make(map[string]uint64)
	for _, e := range events {
		key := e.channel + " " + e.id
		switch e.kind {
		case pushing:
			began[key] = highest[e.channel]
		case pushed:
			if floor := began[key]; e.seq <= floor {
				c.violate(ruleReordered, "%v: %d had been confirmed before", e, floor)
			}
			highest[e.channel] = max(highest[e.channel], e.seq)
		}
	}
}

// complete checks that all devices have received the confirmed pushes.
func (c *checker) complete() {
	for _, m := range c.missing() {
		c.violate(ruleLost, "%s did not get %q of %s, %d", m.device, m.id, m.channel, m.seq)
	}
}

type missing struct {
	device, channel, id string
	seq                 uint64
}

// missing lists the confirmed pushes that a device has not received yet.
func (c *checker) missing() (all []missing) {
	for id, p := range c.pushes {
		for channel, seq := range p.confirmed {
			for _, d := range c.devices {
				if slices.Contains(d.channels, channel) && !c.got[d.name][channel+" "+id] &&
					!covered(c.gapsOf[d.name][channel], seq) && !c.gone(channel, id) {
					all = append(all, missing{d.name, channel, id, seq})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b missing) int {
		return cmp.Or(cmp.Compare(a.device, b.device), cmp.Compare(a.channel, b.channel), cmp.Compare(a.seq, b.seq))
	})
	return all
}
