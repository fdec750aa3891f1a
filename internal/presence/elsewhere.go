package presence

import (
	"strconv"
	"strings"
)

// What a node announces is a key: the channel, the user, since when, the time of the info,
// and the info, with a NUL between them, which none of them can contain. A user with other
// info, or since another time, is another key.

// key is what is announced of a member.
func (r *room) key(m *member) string {
	var b strings.Builder
	b.Grow(len(r.channel) + len(m.user) + len(m.info) + 30)
	for _, part := range []string{r.channel, m.user, strconv.FormatInt(m.since, 10), strconv.FormatInt(m.at, 10)} {
		b.WriteString(part)
		b.WriteByte(0)
	}
	b.WriteString(m.info)
	return b.String()
}

// announce lets the other nodes know whether a member is here as it is described now.
func (r *room) announce(m *member) {
	if r.presence.config.Changed != nil {
		r.presence.config.Changed(r.key(m))
	}
}

// subject is what a key says.
type subject struct {
	channel, user string
	since         int64
	profile
}

func parseKey(key string) (s subject, ok bool) {
	parts := strings.SplitN(key, "\x00", 5)
	if len(parts) < 5 {
		return s, false
	}
	since, err := strconv.ParseInt(parts[2], 10, 64)
	at, err2 := strconv.ParseInt(parts[3], 10, 64)
	return subject{parts[0], parts[1], since, profile{parts[4], at}}, err == nil && err2 == nil && parts[0] != "" && parts[1] != ""
}

// Here is 1 if what a key says holds because of connections to this node, and 0 if not.
func (p *Presence) Here(key string) int {
	s, ok := parseKey(key)
	if !ok {
		return 0
	}
	r := p.find(s.channel)
	if r == nil {
		return 0
	}
	defer r.mu.Unlock()
	if m := r.mu.members.Get(s.user); m != nil && m.here() && m.profile == s.profile && m.since == s.since {
		return 1
	}
	return 0
}

// Elsewhere says that what a key says has begun to hold on another node, or has stopped.
// Lost says that it has stopped because the connection of the node was lost.
func (p *Presence) Elsewhere(key string, holds, lost bool) {
	s, ok := parseKey(key)
	if !ok || !p.config.Enabled(s.channel) {
		return
	}
	if holds {
		p.joinElsewhere(s)
		return
	}
	r := p.find(s.channel)
	if r == nil {
		return
	}
	defer p.removeEmpty(r)
	defer r.mu.Unlock()
	m := r.mu.members.Get(s.user)
	if m == nil || m.elsewhere == 0 {
		return
	}
	m.elsewhere--
	if lost {
		r.lingerLocked(m, false)
	}
	r.settleLocked(m, false)
}

func (p *Presence) joinElsewhere(s subject) {
	s.info = strings.Clone(s.info)
	r := p.lock(s.channel)
	defer r.mu.Unlock()
	m := r.mu.members.Get(s.user)
	if m == nil {
		m = r.addLocked(strings.Clone(s.user), s.profile, s.since)
	}
	m.elsewhere++
	r.returnedLocked(m)
	r.describeLocked(m, m.newest(s.profile), min(s.since, m.since))
}

// returnedLocked ends the grace of a user who is back, on another node.
func (r *room) returnedLocked(m *member) {
	here := m.here()
	m.until, m.lost = 0, false
	if here && !m.here() {
		r.announce(m)
	}
}
