package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/wire"
)

// place is where a follower stands in its channels, over all connections. The
// server keeps that too, for the inbox and memberships; for other channels, and
// where --after overrides it, only the client knows.
type place struct {
	channels []string // asked for
	after    string   // asked for: a sequence of the inbox, or channel=seq,…

	inbox string
	epoch string
	seen  map[string]uint64 // the last sequence shown, or where a channel began
}

// resume takes the server's account at the beginning of a connection. False
// means that the store is another one: the sequences that this connection began
// with mean nothing there.
func (p *place) resume(h *wire.Hello) bool {
	p.inbox = "user:" + h.User
	if p.epoch != h.Epoch {
		changed := p.epoch != ""
		p.epoch, p.seen = h.Epoch, map[string]uint64{}
		if changed {
			p.after = ""
			return false
		}
	}
	for _, channel := range p.channels {
		at, ok := h.Channels[channel]
		// A channel without read mark or anything unread is no membership, or an
		// empty one: it begins at the head. With --after it began there.
		if _, known := p.seen[channel]; ok && !known && at.Read == 0 && at.Unread == 0 && !p.overridden(channel) {
			p.seen[channel] = at.Seq
		}
	}
	return true
}

// advance says whether a sequence is new in its channel, and remembers it.
// Repeats come after a reconnect.
func (p *place) advance(channel string, seq uint64) bool {
	if last, ok := p.seen[channel]; ok && seq <= last {
		return false
	}
	p.seen[channel] = seq
	return true
}

// from is the after of the next connection: what was asked for at first, then
// what was seen of the channels whose place the server does not know. Others
// are not named, because a membership that has ended would refuse it.
func (p *place) from() string {
	if p.seen == nil {
		return p.after
	}
	var list []string
	for _, channel := range p.known() {
		if seq, ok := p.seen[channel]; ok {
			list = append(list, fmt.Sprintf("%s=%d", channel, seq))
		}
	}
	for _, entry := range p.overrides() {
		if _, ok := p.seen[channelOf(entry)]; !ok {
			list = append(list, entry)
		}
	}
	return strings.Join(list, ",")
}

// known lists the channels asked for, by name or by --after.
func (p *place) known() []string {
	list := slices.Clone(p.channels)
	for _, entry := range p.overrides() {
		list = append(list, channelOf(entry))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// overrides are the entries of after, each with its channel.
func (p *place) overrides() []string {
	switch {
	case p.after == "":
		return nil
	case !strings.Contains(p.after, "="):
		return []string{p.inbox + "=" + p.after}
	}
	return strings.Split(p.after, ",")
}

func (p *place) overridden(channel string) bool {
	return slices.ContainsFunc(p.overrides(), func(entry string) bool { return channelOf(entry) == channel })
}

// channelOf splits an entry of after at the last =, which a name may contain.
func channelOf(entry string) string {
	return entry[:max(strings.LastIndexByte(entry, '='), 0)]
}
