package client

// position is how far the client has come in one channel.
type position struct {
	channel  string
	received uint64 // the last sequence that was queued; a frame up to it is a repeat
	yielded  uint64 // the last message given to the program
	handled  uint64 // the last one acknowledged by the program, and kept in the store
	member   bool   // the server keeps the position: the inbox, all, a membership
	unsent   bool   // handled is still to be sent to the server

	// begin is where the subscription began, until something was received: where to
	// resume if the server keeps no position.
	begin uint64
	begun bool

	// The counting of the user's unread messages.
	read     uint64
	unread   int
	counted  uint64            // the last sequence in unread
	keys     map[string]uint64 // the last sequence of each collapse key
	wantRead uint64            // asked for by MarkRead
}

// maxKeys bounds the collapse keys that are remembered for a channel.
const maxKeys = 1000

// repeats reports whether a sequence was received before, and records it.
func (p *position) repeats(seq uint64) bool {
	if seq <= p.received {
		return true
	}
	p.received = seq
	return false
}

// count counts a message that may be new to the user. One that replaces an unread
// message with the same key changes nothing.
func (p *position) count(m *Message) {
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

// uncount no longer counts a message that was revoked.
func (p *position) uncount(r *Revoked) {
	if r.Seq <= p.counted {
		return
	}
	p.counted = r.Seq
	if r.Revoked > p.read && p.unread > 0 {
		p.unread--
	}
}

// from is the sequence after which to resume; false if only the server knows it.
func (p *position) from() (seq uint64, known bool) {
	if p.received > 0 {
		return p.received, true
	}
	return p.begin, p.begun
}

// startAt records where a subscription began, unless it is known.
func (p *position) startAt(seq uint64) {
	if !p.begun {
		p.begin, p.begun = seq, true
	}
}

// subscribed records an accepted subscription to a channel with this head. After is
// the sequence asked for, if one was.
func (p *position) subscribed(after *uint64, head uint64) {
	if head < p.received {
		p.forget() // another log, see settle
	}
	switch {
	case after != nil && *after < p.received:
		// Messages that are repeated because the program asked for them are not repeats.
		p.received, p.yielded, p.handled = *after, *after, *after
		p.begin, p.begun = *after, true
	case after != nil:
		p.startAt(min(*after, head))
	case !p.member:
		p.startAt(head)
	}
}

// forget makes it a position in another log.
func (p *position) forget() {
	*p = position{channel: p.channel, wantRead: p.wantRead}
}
