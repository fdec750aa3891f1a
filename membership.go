package wirepost

import (
	"slices"
)

// Join makes a user a member of a channel: every session of the user is
// subscribed, and what is pushed while the user is away waits. The membership is
// durable on return. To join again changes nothing.
func (s *Server) Join(name, channel string) error {
	if err := checkMembership(name, channel); err != nil {
		return err
	}
	return s.withUser(name, func(u *user) error { return s.join(u, channel) })
}

func (s *Server) join(u *user, channel string) error {
	if err := s.see(u); err != nil {
		return err
	}
	bounds, err := s.logOf(s.policies.of(channel)).Bounds(channel)
	if err != nil {
		return err
	}
	if u.join(channel, bounds.Head) {
		u.settleSessions()
	}
	// Also when nothing changed: the earlier call may have failed to save it.
	return s.saveNow(u, true)
}

// Leave ends a membership: NotFound when there is none. It is durable on return.
func (s *Server) Leave(name, channel string) error {
	if err := checkMembership(name, channel); err != nil {
		return err
	}
	return s.withUser(name, func(u *user) error {
		if !u.leave(channel) {
			return Errorf(NotFound, "user %q is no member of %q", name, channel)
		}
		u.settleSessions()
		return s.saveNow(u, true)
	})
}

// settleSessions has every session take in what changed in the memberships.
func (u *user) settleSessions() {
	for _, ses := range u.online() {
		ses.do(ses.settle)
	}
}

func checkMembership(name, channel string) error {
	if err := CheckUser(name); err != nil {
		return err
	}
	if err := CheckChannel(channel); err != nil {
		return err
	}
	if _, inbox := inboxUser(channel); inbox || channel == All {
		return fieldError("channel", "memberships of inboxes and of %q are given", All)
	}
	return nil
}

// withUser runs fn with a user in memory.
func (s *Server) withUser(name string, fn func(*user) error) error {
	u, err := s.users.acquire(name)
	if err != nil {
		return err
	}
	defer s.users.release(u)
	return fn(u)
}

// see makes a user known: the read mark of All starts where All stands when the
// user is first seen.
func (s *Server) see(u *user) error {
	if s.policies.of(All).MemoryOnly || u.seen() {
		return nil
	}
	bounds, err := s.engine.Bounds(All)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.markLocked(All) == nil {
		u.addMarkLocked(All, bounds.Head)
		u.mu.startMade = true
	}
	return nil
}

func (u *user) seen() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.markLocked(All) != nil
}

// join makes the mark of a membership, and the cursors of the devices known so
// far, start at the channel's head. It says whether that changed anything.
func (u *user) join(channel string, head uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(channel)
	switch {
	case m == nil:
		m = u.addMarkLocked(channel, head)
	case m.member:
		return false
	}
	m.member, m.dirty = true, true
	m.read, m.since = max(m.read, head), head
	for _, d := range u.mu.devices {
		d.advance(channel, head)
	}
	return true
}

func (u *user) leave(channel string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.mu.marks, func(m mark) bool { return m.channel == channel && m.member })
	if i < 0 {
		return false
	}
	u.mu.marks = slices.Delete(u.mu.marks, i, i+1)
	for _, d := range u.mu.devices {
		d.cursors = slices.DeleteFunc(d.cursors, func(p place) bool { return p.channel == channel })
	}
	r := u.removedLocked()
	r.left = append(r.left, channel)
	return true
}

func (u *user) isMember(channel string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := u.markLocked(channel)
	return m != nil && m.member
}

// start is where a device's subscription to a channel with stored cursors begins:
// at its cursor or, the first time, at the read mark, which is then stored as its
// cursor. A mark that does not exist yet begins at the head; that of an inbox at
// its beginning. The cursor may be ahead of the feed, see feed.clamp.
func (u *user) start(device string, f *feed) uint64 {
	head := f.head.Load()
	if f.policy.MemoryOnly {
		return head
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.deviceLocked(device)
	if d == nil {
		return head // forgotten meanwhile, for want of room
	}
	if p := d.cursor(f.channel); p != nil {
		return p.seq
	}
	m := u.markLocked(f.channel)
	switch {
	case m != nil:
	case f.channel == u.inbox:
		m = &mark{}
	default:
		m = u.addMarkLocked(f.channel, head)
	}
	d.advance(f.channel, m.read)
	u.mu.startMade = true
	return m.read
}
