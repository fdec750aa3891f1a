package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/files"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// audit reads all keys of a store in order and checks that they are consistent. Its maps
// hold the keys whose counterparts have not been read yet.
type audit struct {
	report *Report
	out    sink // nil: check only

	heads   map[string]format.Head // as stored, until the channel's records are read
	seqs    map[string]uint64      // the last sequence of each channel whose records are read
	ends    map[string]map[uint64]bool
	holes   map[string]*auditedHoles
	keys    map[string]uint64 // pair → sequence
	members map[string]bool   // member keys
	memos   map[string]uint64 // channel → the largest sequence that was remembered
	sweeps  map[string]int64  // channel → the sweeper's next visit
	lost    map[string]int    // channel → its index in report.Lost
	user    string
	timers  auditedTimers

	now *auditedChannel
}

// sink gets what can be read, channel by channel and then user by user.
type sink interface {
	memo(key, value []byte) error
	record(channel string, h format.Head, seq uint64, value []byte) error
	endChannel(channel string, h format.Head, lost uint64) error
	user(key, value []byte) error
	timer(t *engine.Timer) error
}

// auditedChannel is the channel whose records are being read.
type auditedChannel struct {
	name    string
	stored  format.Head // as stored; seq 0: none
	head    format.Head // updated with the records after it
	last    uint64
	found   uint64 // messages that the stored head counts
	listed  *auditedHoles
	holes   uint64 // sequences that are certainly missing
	from    uint64 // the first hole; 0: none
	to      uint64 // the last
	unknown bool   // the head is missing
	before  uint64 // if unknown, the sequence before the first record
	unkeyed []unkeyed
}

func newAudit(r *Report, out sink) *audit {
	return &audit{
		report: r, out: out,
		heads: make(map[string]format.Head), seqs: make(map[string]uint64), ends: make(map[string]map[uint64]bool),
		holes: make(map[string]*auditedHoles),
		keys:  make(map[string]uint64), members: make(map[string]bool), memos: make(map[string]uint64),
		sweeps: make(map[string]int64), lost: make(map[string]int),
		timers: auditedTimers{named: make(map[string]bool), due: make(map[string]bool)},
	}
}

// read reads all keys.
func (a *audit) read(m *files.Merged) error {
	for m.Next() {
		if err := a.key(m.Key(), m.Value()); err != nil {
			return err
		}
	}
	return a.end()
}

// key checks one key. The order of the prefixes is M, c, d, e, h, i, k, m, n, s, t,
// u, w, x.
func (a *audit) key(key, value []byte) error {
	if key[0] > format.RecordPrefix {
		if err := a.endRecords(); err != nil {
			return err
		}
	}
	switch key[0] {
	case format.MemberPrefix:
		a.members[string(key)] = true
	case format.HolesPrefix:
		a.holesKey(key, value)
	case format.EndPrefix:
		a.endKey(key)
	case format.HeadPrefix:
		h, err := format.DecodeHead(value)
		if err != nil {
			a.report.add("", "the head of channel %q cannot be read", key[1:])
			return nil
		}
		a.heads[string(key[1:])] = h
	case format.MemoPrefix:
		return a.memo(key, value)
	case format.KeyPrefix:
		if k, err := format.DecodeKeyed(value); err == nil {
			a.keys[string(key[1:])] = k.Seq
		} else {
			a.report.add("", "the index entry of the key %q cannot be read", key[1:])
		}
	case format.RecordPrefix:
		return a.record(key, value)
	case format.UserPrefix:
		return a.userKey(key, value)
	case format.SweepPrefix:
		if len(key) > 9 && a.sweeps[string(key[9:])] == int64(binary.BigEndian.Uint64(key[1:])) {
			delete(a.sweeps, string(key[9:]))
		}
	case format.NamePrefix, format.TimerPrefix, format.DuePrefix:
		return a.timerKey(key, value)
	case format.ClockPrefix, format.ShardPrefix: // a new store has its own clock, and follows no log
	default:
		a.report.add("", "the key %q is of no known kind", key)
	}
	return nil
}

func (a *audit) endKey(key []byte) {
	i := len(key) - 17
	if i < 1 || key[i] != 0 {
		a.report.add("", "the key %q is of no known kind", key)
		return
	}
	name := string(key[1:i])
	if a.ends[name] == nil {
		a.ends[name] = make(map[uint64]bool)
	}
	a.ends[name][binary.BigEndian.Uint64(key[i+9:])] = true
}

func (a *audit) memo(key, value []byte) error {
	m, err := format.DecodeMemo(value)
	name, _, ok := bytes.Cut(key[min(5, len(key)):], []byte{0})
	if err != nil || !ok {
		a.report.add("", "a remembered ID of channel %q cannot be read", name)
		return nil
	}
	a.memos[string(name)] = max(a.memos[string(name)], m.Seq)
	if a.out == nil {
		return nil
	}
	return a.out.memo(key, value)
}

func (a *audit) record(key, value []byte) error {
	name, seq, ok := format.CutRecordKey(key)
	if !ok {
		a.report.add("", "the key %q is of no known kind", key)
		return nil
	}
	if a.now == nil || a.now.name != name {
		if err := a.begin(name); err != nil {
			return err
		}
	}
	c := a.now
	if seq <= c.head.Floor {
		return nil // removed, but not purged yet
	}
	g, err := format.GlanceAt(seq, value)
	if err != nil {
		a.report.add("", "record %d of channel %q cannot be read", seq, name)
		return nil
	}
	r, err := g.Record(seq)
	if err != nil {
		a.report.add("", "record %d of channel %q cannot be read", seq, name)
		return nil
	}
	if g.Prev < c.last {
		a.report.add("", "record %d of channel %q names %d as the previous one, but %d is between them", seq, name, g.Prev, c.last)
	}
	c.follow(seq, &g)
	if ends := a.ends[name]; g.Expires != 0 && !ends[seq] {
		a.report.add("", "record %d of channel %q is missing in the expiry index", seq, name)
	} else {
		delete(ends, seq)
	}
	if pair := format.PairName(name, r.Key); r.Key != "" {
		c.keyed(a.keys[pair], seq, r.Key, g.Span)
	}
	a.report.Records++
	if a.out == nil {
		return nil
	}
	return a.out.record(name, c.stored, seq, value)
}

// begin starts a channel. Channels without records are handled before and after it.
func (a *audit) begin(name string) error {
	if err := a.endChannel(); err != nil {
		return err
	}
	h, ok := a.heads[name]
	delete(a.heads, name)
	a.now = &auditedChannel{name: name, stored: h, head: h, last: h.Floor, unknown: !ok, listed: a.holes[name]}
	delete(a.holes, name)
	if a.now.listed == nil {
		a.now.listed = &auditedHoles{}
	}
	return nil
}

// follow counts a record.
func (c *auditedChannel) follow(seq uint64, g *format.Glance) {
	if seq > c.last+1 {
		c.hole(c.last+1, seq-1)
	}
	c.listed.want(c.last+1, seq-1, true)
	c.listed.want(seq, seq, g.Revokes != 0)
	c.last = seq
	if seq <= c.stored.Seq {
		if g.Revokes == 0 {
			c.found++
		}
		return
	}
	if c.unknown && c.head.Seq == 0 {
		c.head.Seq, c.before = g.Prev, g.Prev // the sequences up to there are unknown
	}
	if g.Prev > c.head.Seq { // only a stored head may be after holes
		c.holes += g.Prev - c.head.Seq
	}
	c.head.Follow(seq, g.Time, g.Deadline, g.Revokes == 0)
}

// keyed compares a message that has a key with the index.
func (c *auditedChannel) keyed(indexed, seq uint64, key string, ends format.Span) {
	if indexed != seq {
		end, _ := ends.End()
		c.unkeyed = append(c.unkeyed, unkeyed{key, seq, indexed, end})
	}
}

// unkeyed is a message with a key, for which the index has another message or none.
type unkeyed struct {
	key          string
	seq, indexed uint64
	end          int64
}

// report reports a message, unless it had expired before the last append: then another one
// with the key may have been appended, and removed. It remains itself until it is swept.
func (u *unkeyed) report(r *Report, channel string, last int64) {
	if u.end == 0 || u.end > last {
		r.add("", "the message with key %q of channel %q is %d, but the index has %d", u.key, channel, u.seq, u.indexed)
	}
}

func (c *auditedChannel) hole(from, to uint64) {
	if c.from == 0 {
		c.from = from
	}
	c.to = to
}

// missing returns the number of messages that are certainly missing in the channel.
func (c *auditedChannel) missing() uint64 {
	if c.found < c.stored.Live {
		return c.holes + c.stored.Live - c.found
	}
	return c.holes
}

func (a *audit) endChannel() error {
	c := a.now
	if c == nil {
		return nil
	}
	a.now = nil
	if c.last < c.head.Seq {
		c.hole(c.last+1, c.head.Seq)
		c.listed.want(c.last+1, c.head.Seq, true)
	}
	if c.unknown {
		a.report.add("", "channel %q has no head: its content up to sequence %d is unknown", c.name, c.before)
	}
	if c.found > c.stored.Live {
		a.report.add("", "channel %q has %d messages, but its head counts %d", c.name, c.found, c.stored.Live)
	}
	for i := range c.unkeyed {
		c.unkeyed[i].report(a.report, c.name, c.head.Time)
	}
	lost := c.before
	if n := c.missing(); n > 0 {
		a.lose(c.name, n, c.from, c.to)
		lost = c.to
	} else if seq := c.listed.wrong; seq != 0 && !c.unknown && !c.stored.Old {
		a.report.add("", "the holes of channel %q are wrong at %d", c.name, seq)
	}
	for seq := range a.ends[c.name] {
		if seq > c.head.Floor {
			a.report.add("", "the expiry index names record %d of channel %q, which is missing", seq, c.name)
		}
	}
	delete(a.ends, c.name)
	if c.head.Sweep != 0 && !c.unknown {
		a.sweeps[c.name] = c.head.Sweep
	}
	a.seqs[c.name] = c.head.Seq
	a.report.Channels++
	a.beyond(c.name, a.memos[c.name])
	if a.out == nil {
		return nil
	}
	return a.out.endChannel(c.name, c.head, lost)
}

// lose reports missing messages of a channel.
func (a *audit) lose(channel string, messages, from, to uint64) {
	if i, ok := a.lost[channel]; ok {
		l := &a.report.Lost[i]
		l.Messages += messages
		l.From, l.To = min(l.From, from), max(l.To, to)
		return
	}
	a.lost[channel] = len(a.report.Lost)
	a.report.Lost = append(a.report.Lost, Loss{Channel: channel, Messages: messages, From: from, To: to})
}

// beyond reports messages missing at the end of a channel, if a later sequence is known.
func (a *audit) beyond(channel string, seq uint64) {
	if last := a.seqs[channel]; seq > last {
		a.lose(channel, seq-last, last+1, seq)
		a.seqs[channel] = seq
	}
}

// endRecords finishes the last channel with records, and the channels without records.
func (a *audit) endRecords() error {
	if err := a.endChannel(); err != nil {
		return err
	}
	for name := range a.heads {
		if err := a.begin(name); err != nil {
			return err
		}
		if err := a.endChannel(); err != nil {
			return err
		}
	}
	return nil
}

func (a *audit) userKey(key, value []byte) error {
	name, rest, ok := bytes.Cut(key[1:], []byte{0})
	in := format.Numbers{Rest: value}
	n := in.Next()
	if !ok || len(rest) == 0 || in.Bad {
		a.report.add("", "the record of user %q cannot be read", name)
		return nil
	}
	if string(name) != a.user {
		a.user = string(name)
		a.report.Users++
	}
	switch part, channel := rest[0], rest[1:]; part {
	case format.MarkPart:
		if len(channel) > 0 { // else it is not a sequence: no channel has this name, see engine.Mark
			a.beyond(string(channel), n)
		}
		m, err := format.DecodeMark(value)
		if member := format.MemberKey(nil, string(channel), a.user); err == nil && m.Member {
			if !a.members[string(member)] {
				a.report.add("", "user %q is missing in the membership index of channel %q", a.user, channel)
			}
			delete(a.members, string(member))
		}
	case format.CursorPart:
		channel, _, _ = bytes.Cut(channel, []byte{0})
		a.beyond(string(channel), n)
	case format.PushPart:
		if _, err := format.DecodePushSubscription(value); err != nil {
			a.report.add("", "a Web Push subscription of user %q cannot be read", name)
			return nil
		}
	}
	if a.out == nil {
		return nil
	}
	return a.out.user(key, value)
}

// end reports keys without a counterpart.
func (a *audit) end() error {
	if err := a.endRecords(); err != nil {
		return err
	}
	a.endTimers()
	for name, at := range a.sweeps {
		a.report.add("", "the sweep of channel %q due at %d is missing in the sweeper's index", name, at)
	}
	for member := range a.members {
		a.report.add("", "the membership index has %q, which no user record has", member)
	}
	for name := range a.holes {
		a.report.add("", "there are holes of channel %q, which does not exist", name)
	}
	for name, seqs := range a.ends {
		a.report.add("", "the expiry index has %d entries of channel %q, which does not exist", len(seqs), name)
	}
	return nil
}

var _ fmt.Stringer = (*Loss)(nil)

func (l *Loss) String() string {
	return fmt.Sprintf("channel %q is missing %d messages between %d and %d", l.Channel, l.Messages, l.From, l.To)
}
