package torture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
)

// The rules that a history must not break; each violation names one.
const (
	ruleLost      = "lost"      // a push that was answered came to every device that stayed
	ruleInvented  = "invented"  // nothing comes that was not pushed, to that channel
	ruleReordered = "reordered" // per channel, a session sees sequences that grow; a push that began after the answer to another one comes behind it
	ruleRepeated  = "repeated"  // nothing comes again that was acknowledged, except when a crash was in between
	ruleHole      = "hole"      // a session passes over nothing, unless it was told a gap
	ruleDouble    = "double"    // a message has one sequence and a sequence one message, for everybody and for ever
)

type violation struct{ rule, text string }

func (v violation) String() string { return v.rule + ": " + v.text }

// report is what a checker found.
type report struct {
	pushes, answered, deliveries, sessions, gaps, revocations, crashes int
	violations                                                         []violation
}

func (r *report) String() string {
	return fmt.Sprintf("%d pushes (%d answered), %d revocations, %d deliveries in %d sessions, %d gaps told, violations = %d",
		r.pushes, r.answered, r.revocations, r.deliveries, r.sessions, r.gaps, len(r.violations))
}

// add sums the counts up.
func (r *report) add(more *report) {
	r.pushes += more.pushes
	r.answered += more.answered
	r.deliveries += more.deliveries
	r.sessions += more.sessions
	r.gaps += more.gaps
	r.revocations += more.revocations
	r.crashes += more.crashes
	r.violations = append(r.violations, more.violations...)
}

// push is what is known of a message.
type push struct {
	channels map[string]bool
	answered map[string]uint64 // seq by channel
	key      string
	fades    bool
	revoked  map[string]bool // by channel: a revocation was asked for
}

// replaced is what is known of the messages with one key of one channel.
type replaced struct {
	latest  uint64 // the highest known sequence
	unknown bool   // some of them have no known sequence
}

// entry is a message in the log of a channel.
type entry struct {
	seq uint64
	id  string
}

// place is where a session stands in a channel.
type place struct {
	last    uint64      // received last, in this session; 0 for nothing
	through uint64      // nothing up to it is owed to this session
	gaps    [][2]uint64 // told, exclusive at both ends
}

// mark is what a device has acknowledged in a channel.
type mark struct {
	may uint64 // the highest sequence that it may have acknowledged
	// sure has the acknowledgements that the server is known to have, by sequence.
	sure map[uint64]known
}

// known is an acknowledgement that the server has got: some time after one event and
// before another one. What a reader has from a server that was killed meanwhile it
// may read much later.
type known struct{ after, before int }

type sessionState struct {
	device *device
	began  int
	places map[string]*place
	came   []cameAt // in order
	// How many of those may be acknowledged, and surely are.
	may, sure int
}

// cameAt is a message that a session received.
type cameAt struct {
	at      int
	channel string
	seq     uint64
}

// checker reads a history, event by event, after a first pass has learned the logs.
type checker struct {
	report
	devices  map[string]*device
	pushes   map[string]*push
	logs     map[string][]entry           // by sequence
	seqs     map[string]map[string]uint64 // channel, id
	sessions map[int]*sessionState
	marks    map[string]map[string]*mark       // device, channel
	got      map[string]map[string]bool        // device: channel and id
	told     map[string]map[string][][2]uint64 // device, channel: gaps
	keys     map[string]*replaced              // channel and key
	vague    map[string]bool                   // channels with records of which no sequence is known, and that need not be delivered
	crashes  []int
}

// check says what is wrong with a history. With complete, pushes that have not come
// to everybody count as lost.
func check(devices []device, events []event, complete bool) *report {
	c := &checker{
		devices: make(map[string]*device), pushes: make(map[string]*push), logs: make(map[string][]entry),
		sessions: make(map[int]*sessionState), marks: make(map[string]map[string]*mark),
		got: make(map[string]map[string]bool), told: make(map[string]map[string][][2]uint64),
		keys: make(map[string]*replaced), vague: make(map[string]bool),
	}
	for i := range devices {
		d := &devices[i]
		c.devices[d.name] = d
		c.marks[d.name], c.got[d.name], c.told[d.name] = make(map[string]*mark), make(map[string]bool), make(map[string][][2]uint64)
		for _, channel := range d.channels {
			c.marks[d.name][channel] = &mark{sure: make(map[uint64]known)}
		}
	}
	c.learn(events)
	for i, e := range events {
		c.event(i, e)
	}
	c.answersInOrder(events)
	if complete {
		c.complete()
	}
	return &c.report
}

func (c *checker) violate(rule, format string, args ...any) {
	c.violations = append(c.violations, violation{rule, fmt.Sprintf(format, args...)})
}

// learn makes the logs of the channels from all that tells of a sequence.
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
					channels: make(map[string]bool), answered: make(map[string]uint64), revoked: make(map[string]bool),
					key: e.key, fades: e.fades,
				}
				c.pushes[e.id] = p
			}
			p.channels[e.channel] = true
			c.report.pushes++
		case pushed:
			note(e)
			if p := c.pushes[e.id]; p != nil {
				p.answered[e.channel] = e.seq
			}
			c.answered++
		case received:
			note(e)
		case crash:
			c.crashes = append(c.crashes, i)
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

// learnKeys says which messages later ones may have replaced.
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

// gone says whether a message may have left the log before it was delivered, which
// is no loss: it was replaced, revoked, or has expired.
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

// excused says the same of a sequence.
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
		s := &sessionState{device: c.devices[e.device], began: i, places: make(map[string]*place)}
		for _, channel := range s.device.channels {
			s.places[channel] = &place{through: c.marks[e.device][channel].may}
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
		p := c.sessions[e.session].places[e.channel]
		if p == nil || e.seq >= e.prev {
			c.violate(ruleInvented, "%v", e)
			return
		}
		p.gaps = append(p.gaps, [2]uint64{e.seq, e.prev})
		c.told[e.device][e.channel] = append(c.told[e.device][e.channel], [2]uint64{e.seq, e.prev})
	}
}

// received checks a message against the session's place.
func (c *checker) received(i int, e event) {
	s := c.sessions[e.session]
	p := c.pushes[e.id]
	if p == nil {
		c.violate(ruleInvented, "%v: nobody pushed that", e)
		return
	}
	if e.channel == "" { // bare: the device is in one of the push's channels
		for _, channel := range s.device.channels {
			if p.channels[channel] {
				e.channel = channel
			}
		}
	}
	at := s.places[e.channel]
	if at == nil || !p.channels[e.channel] {
		c.violate(ruleInvented, "%v: that is not for it", e)
		return
	}
	c.got[e.device][e.channel+" "+e.id] = true
	if e.seq == 0 {
		if e.seq = c.seqOf(e.channel, e.id, p); e.seq == 0 {
			return // only bare devices got it, and the answer got lost
		}
	}
	switch {
	case e.seq <= at.last:
		c.violate(ruleReordered, "%v: the session had %d", e, at.last)
	case at.last == 0:
		c.checkRepeat(i, e, s)
		c.checkHole(e, at, at.through)
	default:
		c.checkHole(e, at, at.last)
	}
	at.last = max(at.last, e.seq)
	s.came = append(s.came, cameAt{i, e.channel, e.seq})
}

// withdrawn checks a revocation against the session's place: it moves the session
// forward as a message does, and may pass over nothing either.
func (c *checker) withdrawn(i int, e event) {
	s := c.sessions[e.session]
	at := s.places[e.channel]
	if at == nil {
		c.violate(ruleInvented, "%v: that is not for it", e)
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
	if seq := p.answered[channel]; seq != 0 {
		return seq
	}
	return c.seqs[channel][id]
}

// checkRepeat: the first message of a session lies behind what the device had
// acknowledged before the session began.
func (c *checker) checkRepeat(i int, e event, s *sessionState) {
	for seq, k := range c.marks[e.device][e.channel].sure {
		if seq >= e.seq && k.before < s.began && !c.crashed(k.after, i) {
			c.violate(ruleRepeated, "%v: %d was acknowledged before event %d, the session began in %d", e, seq, k.before, s.began)
			return
		}
	}
}

// crashed says whether the server was killed between two events.
func (c *checker) crashed(from, to int) bool {
	at, _ := slices.BinarySearch(c.crashes, from)
	return at < len(c.crashes) && c.crashes[at] <= to
}

// checkHole: nothing of the log lies between low, which the session had or which was
// acknowledged, and the message.
func (c *checker) checkHole(e event, at *place, low uint64) {
	if e.prev > low && !covered(at.gaps, e.prev) && !c.excused(e.channel, e.prev) {
		c.violate(ruleHole, "%v: the session was at %d", e, low)
		return
	}
	log := c.logs[e.channel]
	for n := sort.Search(len(log), func(n int) bool { return log[n].seq > low }); n < len(log) && log[n].seq < e.seq; n++ {
		if !covered(at.gaps, log[n].seq) && !c.gone(e.channel, log[n].id) {
			c.violate(ruleHole, "%v: %d, %q, was passed over; the session was at %d", e, log[n].seq, log[n].id, low)
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
			m.sure[came.seq] = known{after: e.at, before: i}
		}
	}
}

// answersInOrder: a push that began when another one had been answered lies behind
// it in the log.
func (c *checker) answersInOrder(events []event) {
	began := make(map[string]uint64) // of a push that is under way: the highest sequence answered before it
	highest := make(map[string]uint64)
	for _, e := range events {
		key := e.channel + " " + e.id
		switch e.kind {
		case pushing:
			began[key] = highest[e.channel]
		case pushed:
			if floor := began[key]; e.seq <= floor {
				c.violate(ruleReordered, "%v: %d had been answered before", e, floor)
			}
			highest[e.channel] = max(highest[e.channel], e.seq)
		}
	}
}

// complete checks that what was answered came to everybody.
func (c *checker) complete() {
	for _, m := range c.missing() {
		c.violate(ruleLost, "%s did not get %q of %s, %d", m.device, m.id, m.channel, m.seq)
	}
}

type missing struct {
	device, channel, id string
	seq                 uint64
}

// missing is what was answered and has not come to a device yet.
func (c *checker) missing() (all []missing) {
	for id, p := range c.pushes {
		for channel, seq := range p.answered {
			for _, d := range c.devices {
				if slices.Contains(d.channels, channel) && !c.got[d.name][channel+" "+id] &&
					!covered(c.told[d.name][channel], seq) && !c.gone(channel, id) {
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
