package wirepost

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/feed"
)

// Top is what an operator looks at first: the largest channels, and the clients
// that are behind.
type Top struct {
	Channels  []TopChannel  `json:"channels"`   // with a subscriber, most subscribers first
	Slow      []SlowSession `json:"slow"`       // most bytes held up first
	SlowCount int           `json:"slow_count"` // also of those that the list is too short for
}

// TopChannel is a channel with subscribers.
type TopChannel struct {
	Channel     string `json:"channel"`
	Head        uint64 `json:"head"`
	Subscribers int    `json:"subscribers"` // connections
}

// SlowSession is a client for which messages wait. Under load a client may be one
// for a moment; who stays one is slow.
type SlowSession struct {
	User     string     `json:"user"`
	Session  Session    `json:"session"`
	Reason   SlowReason `json:"reason"`
	InFlight int        `json:"in_flight"` // messages sent and not acknowledged
	Bytes    int        `json:"in_flight_bytes"`
	Unsent   int        `json:"unsent_bytes"` // written, and not yet taken by the system
}

// SlowReason says what a session waits for.
type SlowReason string

// The reasons for which messages wait.
const (
	SlowSocket SlowReason = "socket" // the client does not read: its connection takes no more
	SlowWindow SlowReason = "window" // the client does not acknowledge: its window is full
)

// Top lists at most n channels and n slow sessions. It looks at every channel and
// every session there is: it is for people, not for every push.
func (s *Server) Top(n int) Top {
	t := Top{Channels: s.topChannels(n)}
	t.Slow, t.SlowCount = s.slowSessions(n)
	return t
}

func (s *Server) topChannels(n int) []TopChannel {
	top := newRanking(n, func(a, b TopChannel) int {
		return cmp.Or(cmp.Compare(b.Subscribers, a.Subscribers), cmp.Compare(b.Head, a.Head), strings.Compare(a.Channel, b.Channel))
	})
	s.feeds.Each(func(f *feed.Feed) {
		if f.Subscribed() {
			top.add(TopChannel{Channel: f.Channel(), Head: f.Head(), Subscribers: f.Connections()})
		}
	})
	return top.list
}

// askedAtOnce is how many sessions a loop is asked about in one turn.
const askedAtOnce = 1000

// slowSessions asks the loops about all their sessions.
func (s *Server) slowSessions(n int) ([]SlowSession, int) {
	ofLoop := map[*loop][]*session{}
	for _, ses := range s.sessions() {
		ofLoop[ses.loop] = append(ofLoop[ses.loop], ses)
	}
	top := newRanking(n, func(a, b SlowSession) int {
		return cmp.Or(cmp.Compare(b.Unsent+b.Bytes, a.Unsent+a.Bytes), strings.Compare(a.Session.Connection, b.Session.Connection))
	})
	count := 0
	for l, sessions := range ofLoop {
		for some := range slices.Chunk(sessions, askedAtOnce) {
			for _, slow := range l.slow(some) {
				top.add(slow)
				count++
			}
		}
	}
	return top.list, count
}

// slow says which of the loop's sessions are.
func (l *loop) slow(sessions []*session) []SlowSession {
	answer := make(chan []SlowSession, 1)
	ok := l.post(func() {
		var list []SlowSession
		for _, ses := range sessions {
			if slow, ok := ses.slow(); ok {
				list = append(list, slow)
			}
		}
		answer <- list
	})
	if !ok {
		return nil
	}
	return <-answer
}

// slow says whether messages wait for the client, and why. On the loop.
func (s *session) slow() (SlowSession, bool) {
	slow := SlowSession{User: s.user.Name()}
	switch {
	case s.ending, s.conn == nil:
		return slow, false
	case s.blocked:
		slow.Reason = SlowSocket
	case slices.ContainsFunc(s.subs, s.held):
		slow.Reason = SlowWindow
	default:
		return slow, false
	}
	slow.Session, slow.Unsent = s.info(), s.conn.Unsent()
	if s.flight != nil {
		slow.InFlight, slow.Bytes = len(s.flight.sent), s.flight.bytes
	}
	return slow, true
}

// held says whether messages of a subscription wait for the window. On the loop.
func (s *session) held(sub *subscription) bool {
	return sub.cursor < sub.Feed.Head() && s.roomFor(sub) == 0
}

// ranking keeps the first n of many, in order.
type ranking[T any] struct {
	n       int
	compare func(a, b T) int
	list    []T
}

func newRanking[T any](n int, compare func(a, b T) int) *ranking[T] {
	return &ranking[T]{n: n, compare: compare, list: []T{}}
}

func (r *ranking[T]) add(x T) {
	i, _ := slices.BinarySearchFunc(r.list, x, r.compare)
	if i >= r.n {
		return
	}
	if len(r.list) == r.n {
		r.list = r.list[:r.n-1]
	}
	r.list = slices.Insert(r.list, i, x)
}
