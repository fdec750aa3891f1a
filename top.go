package wirepost

import (
	"cmp"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
)

// Top lists the channels with most subscribers and the clients that lag most.
type Top struct {
	Channels  []TopChannel  `json:"channels"`   // with a subscriber, most subscribers first
	Slow      []SlowSession `json:"slow"`       // most bytes waiting first
	SlowCount int           `json:"slow_count"` // of all slow sessions, listed or not
}

// TopChannel is a channel with subscribers.
type TopChannel struct {
	Channel     string `json:"channel"`
	Head        uint64 `json:"head"`
	Subscribers int    `json:"subscribers"` // connections
}

// SlowSession is a session for which messages wait. Under load that is normal for a
// moment; a session that stays in the list is slow.
type SlowSession struct {
	User     string     `json:"user"`
	Session  Session    `json:"session"`
	Reason   SlowReason `json:"reason"`
	InFlight int        `json:"in_flight"` // messages sent and not acknowledged
	Bytes    int        `json:"in_flight_bytes"`
	Unsent   int        `json:"unsent_bytes"` // not yet accepted by the socket
}

// SlowReason is what a slow session waits for.
type SlowReason string

// The reasons why messages wait.
const (
	SlowSocket SlowReason = "socket" // the client does not read: its connection takes no more
	SlowWindow SlowReason = "window" // the client does not acknowledge: its window is full
)

// Top lists at most n channels and n slow sessions. It visits every channel and every
// session: call it for an operator, not for every push.
func (s *Server) Top(n int) Top {
	t := Top{Channels: s.topChannels(n)}
	t.Slow, t.SlowCount = s.slowSessions(n)
	return t
}

func (s *Server) topChannels(n int) []TopChannel {
	top := newRanking(n, func(a, b TopChannel) int {
		return cmp.Or(cmp.Compare(b.Subscribers, a.Subscribers), cmp.Compare(b.Head, a.Head), strings.Compare(a.Channel, b.Channel))
	})
	for _, f := range s.host.Feeds.All() {
		if f.Subscribed() && !names.IsReserved(f.Channel()) {
			top.add(TopChannel{Channel: f.Channel(), Head: f.Head(), Subscribers: f.Connections()})
		}
	}
	return top.list
}

// slowSessions asks the loops about all their sessions.
func (s *Server) slowSessions(n int) ([]SlowSession, int) {
	top := newRanking(n, func(a, b SlowSession) int {
		return cmp.Or(cmp.Compare(b.Unsent+b.Bytes, a.Unsent+a.Bytes), strings.Compare(a.Session.Connection, b.Session.Connection))
	})
	lags := session.Lagging(s.host.All())
	for _, lag := range lags {
		reason := SlowWindow
		if lag.Socket {
			reason = SlowSocket
		}
		top.add(SlowSession{
			User: lag.Session.User, Session: newSession(lag.Session), Reason: reason,
			InFlight: lag.InFlight, Bytes: lag.Bytes, Unsent: lag.Unsent,
		})
	}
	return top.list, len(lags)
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
