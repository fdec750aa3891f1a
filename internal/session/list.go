package session

import (
	"slices"

	"github.com/wirepost/wirepost/internal/user"
)

// Of returns the sessions of a user, oldest first.
func (h *Host) Of(name string) []*Session { return In(h.Users.ConnsOf(name)) }

// All returns all sessions that are registered.
func (h *Host) All() (all []*Session) {
	for _, u := range h.Users.All() {
		all = append(all, In(u.Conns())...)
	}
	return all
}

// Settle updates all sessions of a user after a change of memberships.
func Settle(u *user.User) {
	for _, s := range In(u.Conns()) {
		s.do(s.settle)
	}
}

// Sent reports whether a message was sent in this session. It queries the loop.
func (s *Session) Sent(channel string, seq uint64) bool {
	was, _ := onLoop(s.loop, func() bool { return s.sent(channel, seq) })
	return was
}

// sent is Sent, on the loop.
func (s *Session) sent(channel string, seq uint64) bool {
	if s.conn == nil {
		return false
	}
	sub := s.subscription(channel)
	return sub != nil && sub.cursor >= seq
}

// madeBefore reports whether the session was made with a token that a mark, in ms since
// 1970, revokes.
func (s *Session) madeBefore(mark uint64) bool {
	old, _ := onLoop(s.loop, func() bool { return s.issued.Before(mark) })
	return old
}

// Lag describes why a session lags.
type Lag struct {
	Session         Info
	Socket          bool // its connection is blocked; otherwise its window is full
	InFlight, Bytes int  // messages sent and not acknowledged
	Unsent          int  // bytes written, and not yet taken by the kernel
}

// askedAtOnce is the number of sessions that a loop checks in one turn.
const askedAtOnce = 1000

// Lagging returns the sessions with pending messages. It queries the loops.
func Lagging(all []*Session) (lags []Lag) {
	ofLoop := map[*Loop][]*Session{}
	for _, s := range all {
		ofLoop[s.loop] = append(ofLoop[s.loop], s)
	}
	for l, sessions := range ofLoop {
		for some := range slices.Chunk(sessions, askedAtOnce) {
			lags = append(lags, l.lagging(some)...)
		}
	}
	return lags
}

// lagging returns those of the loop's sessions that lag.
func (l *Loop) lagging(sessions []*Session) []Lag {
	list, _ := onLoop(l, func() (list []Lag) {
		for _, s := range sessions {
			if lag, ok := s.lag(); ok {
				list = append(list, lag)
			}
		}
		return list
	})
	return list
}

// lag reports whether messages are pending for the client, and why. On the loop.
func (s *Session) lag() (lag Lag, ok bool) {
	switch {
	case s.ending, s.conn == nil:
		return lag, false
	case s.blocked:
		lag.Socket = true
	case !slices.ContainsFunc(s.subs, s.held):
		return lag, false
	}
	lag.Session, lag.Unsent = s.Info(), s.conn.Unsent()
	if s.window != nil {
		lag.InFlight, lag.Bytes = len(s.window.sent), s.window.bytes
	}
	return lag, true
}

// held reports whether messages of a subscription wait for room in the window. On the
// loop.
func (s *Session) held(sub *subscription) bool {
	return sub.cursor < sub.Feed.Head() && s.roomFor(sub) == 0
}
