package presence

import (
	"strconv"
	"strings"
)

// What a node announces is a key: the channel, the user, since when, and the info, with a
// NUL between them, which none of them can contain. A user with other info, or since
// another time, is another key.

// key is what is announced of a member.
func (r *room) key(m *member) string {
	var b strings.Builder
	b.Grow(len(r.channel) + len(m.user) + len(m.info) + 16)
	for _, part := range []string{r.channel, m.user, strconv.FormatInt(m.since, 10)} {
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

// parseKey returns the parts of a key.
func parseKey(key string) (channel, user, info string, since int64, ok bool) {
	parts := strings.SplitN(key, "\x00", 4)
	if len(parts) < 4 {
		return
	}
	since, err := strconv.ParseInt(parts[2], 10, 64)
	return parts[0], parts[1], parts[3], since, err == nil && parts[0] != "" && parts[1] != ""
}

// Here is 1 if what a key says holds because of connections to this node, and 0 if not.
func (p *Presence) Here(key string) int {
	channel, user, info, since, ok := parseKey(key)
	if !ok {
		return 0
	}
	r := p.find(channel)
	if r == nil {
		return 0
	}
	defer r.mu.Unlock()
	if m := r.mu.members.Get(user); m != nil && m.here() && m.info == info && m.since == since {
		return 1
	}
	return 0
}

// Elsewhere says that what a key says has begun to hold on another node, or has stopped.
// Lost says that it has stopped because the connection of the node was lost.
func (p *Presence) Elsewhere(key string, holds, lost bool) {
	channel, user, info, since, ok := parseKey(key)
	if !ok || !p.config.Enabled(channel) {
		return
	}
	if holds {
		p.joinElsewhere(channel, user, info, since)
		return
	}
	r := p.find(channel)
	if r == nil {
		return
	}
	defer p.removeEmpty(r)
	defer r.mu.Unlock()
	m := r.mu.members.Get(user)
	if m == nil || m.elsewhere == 0 {
		return
	}
	m.elsewhere--
	if lost {
		r.lingerLocked(m, false)
	}
	r.settleLocked(m, false)
}

func (p *Presence) joinElsewhere(channel, user, info string, since int64) {
	r := p.lock(channel)
	defer r.mu.Unlock()
	m := r.mu.members.Get(user)
	if m == nil {
		m = r.addLocked(strings.Clone(user), strings.Clone(info), since)
	}
	m.elsewhere++
	if m.until > 0 && !m.lost {
		m.until = 0 // the user of a lost node is back
	}
	if info == "" || m.sessions > 0 && m.info != "" {
		info = m.info // that of the connections to this node comes first
	}
	r.describeLocked(m, strings.Clone(info), min(since, m.since))
}
