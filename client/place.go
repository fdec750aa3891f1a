package client

import (
	"fmt"
	"slices"
	"strings"
)

// place is where the client stands in one channel.
type place struct {
	channel  string
	received uint64 // the last sequence that was queued; what comes up to it is a repeat
	yielded  uint64 // the last message given to the program
	handled  uint64 // the last one acknowledged by the program, and kept in the store
	member   bool   // the server keeps the place: the inbox, all, a membership
	unsent   bool   // the server is to be told of handled

	// begin is where the subscription began, until something was received: where to
	// go on if the server keeps no place.
	begin uint64
	begun bool

	// The account of the user's messages.
	read     uint64
	unread   int
	counted  uint64            // the last sequence in unread
	keys     map[string]uint64 // the last sequence of a collapse key
	wantRead uint64            // asked for by MarkRead
}

// maxPlaces bounds the channels that a server may name, and maxKeys the collapse
// keys that are remembered of each.
const (
	maxPlaces = 10_000
	maxKeys   = 1000
)

// repeats says whether a sequence was received before, and remembers it.
func (p *place) repeats(seq uint64) bool {
	if seq <= p.received {
		return true
	}
	p.received = seq
	return false
}

// count counts a message that may be new to the user. One that takes the place of
// an unread one with the same key changes nothing.
func (p *place) count(m *Message) {
	if m.Seq <= p.counted {
		return
	}
	p.counted = m.Seq
	replaced := m.Key != "" && p.keys[m.Key] > p.read
	if m.Key != "" {
		if p.keys == nil || len(p.keys) >= maxKeys {
			p.keys = map[string]uint64{}
		}
		p.keys[m.Key] = m.Seq
	}
	if m.Seq > p.read && !replaced {
		p.unread++
	}
}

// uncount takes back what a revocation took back.
func (p *place) uncount(r *Revoked) {
	if r.Seq <= p.counted {
		return
	}
	p.counted = r.Seq
	if r.Revoked > p.read && p.unread > 0 {
		p.unread--
	}
}

// from is the sequence to go on behind; false if only the server knows.
func (p *place) from() (seq uint64, known bool) {
	if p.received > 0 {
		return p.received, true
	}
	return p.begin, p.begun
}

// forget makes the place that of another log.
func (p *place) forget() {
	*p = place{channel: p.channel, wantRead: p.wantRead}
}

// place gives the place in a channel and makes it if there is none yet.
func (c *Client) placeLocked(channel string) *place {
	p := c.mu.places[channel]
	if p == nil {
		p = &place{channel: channel}
		c.mu.places[channel] = p
	}
	return p
}

// afterLocked is the after of the next connection, as text and by channel: for the
// channels asked for, what was received of them; else what Options.After says.
// Others are not named: the server knows the place in them, and would refuse one
// whose membership has ended.
func (c *Client) afterLocked() (after string, named map[string]uint64) {
	named = map[string]uint64{}
	var list []string
	for _, channel := range c.askedLocked() {
		name := c.nameLocked(channel)
		seq, known := uint64(0), false
		if p := c.mu.places[name]; p != nil {
			seq, known = p.from()
		}
		if !known {
			seq, known = c.mu.after[channel]
		}
		switch {
		case !known:
			continue
		case name == "":
			// Only the server knows who we are. It takes a bare sequence for the inbox.
			return fmt.Sprint(seq), named
		}
		named[name] = seq
		list = append(list, fmt.Sprintf("%s=%d", name, seq))
	}
	return strings.Join(list, ","), named
}

// askedLocked lists the channels of Options: by name or by After.
func (c *Client) askedLocked() []string {
	list := slices.Clone(c.opts.Channels)
	for channel := range c.mu.after {
		list = append(list, channel)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// nameLocked is a channel's name; "" stands for the inbox of the user, who is known
// once there was a hello.
func (c *Client) nameLocked(channel string) string {
	if channel == "" && c.mu.state.User != "" {
		return inboxOf(c.mu.state.User)
	}
	return channel
}

func inboxOf(user string) string { return "user:" + user }
