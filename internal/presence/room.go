package presence

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/registry"
	"github.com/wirepost/wirepost/internal/wire"
)

// room is a channel with present users or watchers. Its mutex is taken after that of the
// table of rooms.
type room struct {
	presence *Presence
	channel  string

	mu struct {
		sync.Mutex
		members registry.Table[*member]
		// first to last are linked in the order in which they came. The first MaxListed of
		// them are listed, up to lastListed.
		first, last, lastListed *member
		listed                  int
		// list has the entries of the listed members, with commas between them. It is shared
		// with pending output, so it is only appended to or replaced. It is nil if it must
		// be made anew.
		list []byte

		watched   int         // watches
		followers []*follower // the loops of the watches
		changes   changes
		queued    bool // to be flushed
	}
}

// Key is the channel.
func (r *room) Key() string { return r.channel }

// member is a user who is present. There may be one for each subscription on all nodes, so
// it is small. It is guarded by the room's mutex.
type member struct {
	user string
	profile
	since      int64 // in ms since 1970
	prev, next *member
	until      time.Duration // when the grace of a lost connection ends; 0: none was lost
	sessions   int32         // connections to this node
	elsewhere  int16         // other nodes where the user is present
	lost       bool          // the lost connection was one to this node
	listed     bool
}

// profile is the info of a user that is shown: the newest one, on all nodes.
type profile struct {
	info string // JSON, or ""
	at   int64  // when a connection brought it, in ms since 1970; 0: none did
}

// with returns the profile after a connection has brought info.
func (p profile) with(info string, now int64) profile {
	if info == p.info {
		return p
	}
	return profile{info, max(now, p.at+1)}
}

// newest returns the newer one of two profiles.
func (p profile) newest(other profile) profile {
	if other.at > p.at || other.at == p.at && other.info > p.info {
		return other
	}
	return p
}

// Key is the user.
func (m *member) Key() string { return m.user }

// here reports whether the user is present because of this node.
func (m *member) here() bool { return m.sessions > 0 || m.lost }

// present reports whether the user is present at all.
func (m *member) present() bool { return m.sessions > 0 || m.elsewhere > 0 || m.until > 0 }

func (m *member) describe() User {
	u := User{User: m.user, Since: m.since}
	if m.info != "" {
		u.Info = json.RawMessage(m.info)
	}
	return u
}

// appendEntry appends the user as JSON.
func (m *member) appendEntry(dst []byte) []byte {
	dst = append(dst, `{"user":`...)
	dst = wire.AppendString(dst, m.user)
	if m.info != "" {
		dst = append(dst, `,"info":`...)
		dst = append(dst, m.info...)
	}
	dst = append(dst, `,"since":`...)
	dst = strconv.AppendInt(dst, m.since, 10)
	return append(dst, '}')
}

// addLocked adds a user, as the last one.
func (r *room) addLocked(user string, about profile, since int64) *member {
	m := &member{user: user, profile: about, since: since, prev: r.mu.last}
	r.mu.members.Add(m)
	if r.mu.last == nil {
		r.mu.first = m
	} else {
		r.mu.last.next = m
	}
	r.mu.last = m
	if r.mu.listed < MaxListed {
		r.listLocked(m)
	}
	r.changedLocked()
	return m
}

// listLocked lists the member after the last one that is listed.
func (r *room) listLocked(m *member) {
	m.listed = true
	r.mu.listed++
	r.mu.lastListed = m
	if r.mu.list != nil {
		if len(r.mu.list) > 0 {
			r.mu.list = append(r.mu.list, ',')
		}
		r.mu.list = m.appendEntry(r.mu.list)
	}
	r.joinedLocked(m, false)
}

// removeLocked removes a user, and lists the next one who was only counted.
func (r *room) removeLocked(m *member) {
	r.mu.members.Remove(m)
	if m.prev == nil {
		r.mu.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		r.mu.last = m.prev
	} else {
		m.next.prev = m.prev
	}
	if m.listed {
		r.mu.listed--
		r.mu.list = nil
		if r.mu.lastListed == m {
			r.mu.lastListed = m.prev
		}
		r.leftLocked(m.user)
		if next := r.unlistedLocked(); next != nil {
			r.listLocked(next)
		}
	}
	r.changedLocked()
}

// unlistedLocked is the first member who is not listed, or nil.
func (r *room) unlistedLocked() *member {
	if r.mu.lastListed == nil {
		return r.mu.first
	}
	return r.mu.lastListed.next
}

// describeLocked changes what is shown of a member.
func (r *room) describeLocked(m *member, about profile, since int64) {
	if m.profile == about && m.since == since {
		return
	}
	shown := m.info != about.info || m.since != since
	if m.here() {
		r.announce(m) // that it is no longer here as it was
	}
	m.profile, m.since = about, since
	if m.here() {
		r.announce(m)
	}
	if m.listed && shown {
		r.mu.list = nil
		r.joinedLocked(m, true)
		r.changedLocked()
	}
}

// lingerLocked begins the grace of a lost connection, to this node or to another one.
func (r *room) lingerLocked(m *member, here bool) {
	p := r.presence
	m.lost = m.lost || here
	m.until = at(p, &p.lingers, Grace, lingering{r.channel, m.user})
}

// settleLocked removes a member who is no longer present. Here says that the member was
// present because of this node.
func (r *room) settleLocked(m *member, here bool) {
	if here && !m.here() {
		r.announce(m)
	}
	if !m.present() {
		r.removeLocked(m)
	}
}

// listOfLocked returns the entries of the listed members, with commas between them.
func (r *room) listOfLocked() []byte {
	if r.mu.list == nil {
		list := make([]byte, 0, 64*r.mu.listed)
		for m := r.mu.first; m != nil && m.listed; m = m.next {
			if len(list) > 0 {
				list = append(list, ',')
			}
			list = m.appendEntry(list)
		}
		r.mu.list = list
	}
	return r.mu.list
}
