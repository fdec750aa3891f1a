package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/wire"
)

// positions is what a client knows about its user and channels.
type positions struct {
	kept      Bookmark // for the store; its cursors are in byChannel
	byChannel map[string]*position

	asked  []string          // Options.Channels
	after  map[string]uint64 // Options.After, until the server has another store
	wanted map[string]bool   // subscribed by Subscribe
}

// maxPositions bounds the channels that a server may name.
const maxPositions = 10_000

func newPositions(kept Bookmark, o *Options) positions {
	ps := positions{
		kept: kept, byChannel: map[string]*position{},
		asked: o.Channels, after: maps.Clone(o.After), wanted: map[string]bool{},
	}
	for channel, seq := range kept.Cursors {
		ps.byChannel[channel] = &position{channel: channel, received: seq, yielded: seq, handled: seq}
	}
	ps.kept.Cursors = nil
	return ps
}

// at is the position in a channel, a new one if there is none yet.
func (ps *positions) at(channel string) *position {
	p := ps.byChannel[channel]
	if p == nil {
		p = &position{channel: channel}
		ps.byChannel[channel] = p
	}
	return p
}

// tooMany reports whether the server has named more channels than it may.
func (ps *positions) tooMany() bool { return len(ps.byChannel) > maxPositions }

// bookmark is what the store is to keep.
func (ps *positions) bookmark() Bookmark {
	b := ps.kept
	b.Cursors = map[string]uint64{}
	for channel, p := range ps.byChannel {
		if p.handled > 0 {
			b.Cursors[channel] = p.handled
		}
	}
	return b
}

// resume is the after of the next connection, as text and by channel: for the
// requested channels, what was received from them, or what Options.After says. Other
// channels are not named: the server knows the positions in them, and would refuse a
// channel whose membership has ended.
func (ps *positions) resume() (after string, named map[string]uint64) {
	named = map[string]uint64{}
	var list []string
	for _, channel := range ps.requested() {
		name := ps.name(channel)
		seq, known := uint64(0), false
		if p := ps.byChannel[name]; p != nil {
			seq, known = p.from()
		}
		if !known {
			seq, known = ps.after[channel]
		}
		switch {
		case !known:
			continue
		case name == "":
			// Only the server knows the user. It takes a bare sequence for the inbox.
			return fmt.Sprint(seq), named
		}
		named[name] = seq
		list = append(list, fmt.Sprintf("%s=%d", name, seq))
	}
	return strings.Join(list, ","), named
}

// maxNamed bounds the channels that minSeq names, so that the URL of a connection stays
// short.
const maxNamed = 50

// minSeq is the min_seq of the next connection: what was received from the channels that
// resume does not name. A node of a cluster may not have applied that yet. Without it, a
// hello with a head before what was received would mean another log, see settle.
func (ps *positions) minSeq(named map[string]uint64) string {
	var list []string
	for channel, p := range ps.byChannel {
		_, is := named[channel]
		if p.received > 0 && !is && !ps.wanted[channel] && len(list) < maxNamed {
			list = append(list, fmt.Sprintf("%s=%d", channel, p.received))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// requested lists the channels that Options names, in Channels or in After.
func (ps *positions) requested() []string {
	list := slices.Clone(ps.asked)
	for channel := range ps.after {
		list = append(list, channel)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// name is a channel's name; "" stands for the inbox of the user, who is known after
// the first hello.
func (ps *positions) name(channel string) string {
	if channel == "" && ps.kept.User != "" {
		return inboxOf(ps.kept.User)
	}
	return channel
}

func inboxOf(user string) string { return "user:" + user }

// settled is the result of comparing a hello with the positions.
type settled struct {
	changed  bool // the store is to keep something else now
	newStore bool // the server's store is not that of the last connection
	restart  bool // this connection began at positions of another log
}

// settle compares a hello with the positions; named are those that the connection
// began at.
func (ps *positions) settle(f *wire.Frame, named map[string]uint64) (s settled) {
	s.changed = ps.kept.User != f.User || ps.kept.Epoch != f.Epoch
	s.newStore = ps.kept.Epoch != "" && ps.kept.Epoch != f.Epoch
	if s.newStore {
		for _, p := range ps.byChannel {
			p.forget()
		}
		ps.after = nil
		s.restart = len(named) > 0
	}
	ps.kept.User, ps.kept.Epoch = f.User, f.Epoch
	for _, p := range ps.byChannel {
		p.member = false
	}
	for channel, state := range f.Channels {
		p := ps.at(channel)
		if state.Seq < p.received {
			// A log whose head is before what was received from it is another log: that of
			// a memory-only channel after a restart of the server.
			p.forget()
			p.begun, s.changed = true, true
			_, wasNamed := named[channel]
			s.restart = s.restart || wasNamed
		}
		p.member = !slices.Contains(ps.asked, channel)
		p.read, p.unread, p.counted, p.keys = state.Read, max(0, state.Unread), state.Seq, nil
	}
	if !s.restart {
		ps.begin(f, named)
	}
	return s
}

// begin records where the requested subscriptions began.
func (ps *positions) begin(f *wire.Frame, named map[string]uint64) {
	for channel, seq := range named {
		ps.at(channel).startAt(seq)
	}
	for _, channel := range ps.asked {
		// A channel without read mark and unread messages is not a membership, or an
		// empty one: it begins at the head.
		if state, ok := f.Channels[channel]; ok && state.Read == 0 && state.Unread == 0 {
			ps.at(channel).startAt(state.Seq)
		}
	}
}

// notice records what a frame that is not a message says about a channel, and returns
// the event that reports it, if it is new.
func (ps *positions) notice(f *wire.Frame) Event {
	p := ps.at(f.Channel)
	switch f.Type {
	case "gap":
		if f.ResumedAt > 0 && f.ResumedAt <= p.received {
			return nil // reported before
		}
		return Gap{Channel: f.Channel, After: f.After, ResumedAt: f.ResumedAt}
	case "state":
		p.read, p.unread = f.Read, max(0, f.Unread)
		// The server may not say as of which message; mostly it is the last.
		p.counted = max(p.counted, p.received, f.Seq)
		return State{Channel: f.Channel, Read: f.Read, Unread: p.unread}
	case "subscribed":
		p.member = true
		return Subscribed{Channel: f.Channel}
	}
	p.member = false
	delete(ps.wanted, f.Channel)
	return Unsubscribed{Channel: f.Channel}
}
