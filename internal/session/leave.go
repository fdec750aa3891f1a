package session

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/wire"
)

// A session ends in two steps. It leaves when its end begins, whoever began it: from
// then on it is in no count, list or limit that says who is connected, and
// OnDisconnect is called. What it holds (the descriptor, references to feeds and to
// the user) it gives back when the connection is closed, which a peer that does not
// answer the close frame delays. Until then its pongs still acknowledge.

// end closes the connection; except in plain mode a bye goes before the close.
func (s *Session) end(code int, reason string) { s.bye(code, reason, 0) }

func (s *Session) bye(code int, reason string, retryAfter time.Duration) {
	if s.ending {
		return
	}
	c := s.mode.Codec()
	if retryAfter > 0 {
		if retry := c.Retry(retryAfter); retry != nil {
			s.conn.Write(retry)
		}
	}
	if c.Objects() {
		s.conn.Write(s.notice(wire.Bye{
			Type: "bye", Code: code, Reason: reason, RetryAfterMS: retryAfter.Milliseconds(),
		}))
	}
	s.leave(CloseInfo{Code: code, Reason: reason})
	s.conn.Close(code, reason)
}

// Retire ends the session because the server restarts.
func (s *Session) Retire(retryAfter time.Duration) {
	s.do(func() { s.bye(wire.CloseRestart, "restart", retryAfter) })
}

// EndAll ends sessions. When it returns, they have left.
func EndAll(all []*Session, code int, reason string) {
	var left sync.WaitGroup
	for _, s := range all {
		left.Add(1)
		posted := s.loop.Do(func() {
			defer left.Done()
			if s.conn == nil {
				s.loop.host.Users.Disconnect(s.user, s) // the rest follows when it is attached
			}
			s.doNow(func() { s.end(code, reason) })
		})
		if !posted {
			left.Done()
		}
	}
	left.Wait()
}

// leave takes the session out of everything that counts or lists sessions. It
// happens once, on the loop, at the moment that the session's end begins.
func (s *Session) leave(e CloseInfo) {
	s.ending = true
	s.loop.Disarm(&s.timer)
	for _, sub := range s.subs {
		sub.Feed.Unfollow(&sub.Subscription, s.loop.waker)
		sub.Feed.Left()
	}
	h := s.loop.host
	h.Users.Disconnect(s.user, s)
	h.Limits.Leave(s.address)
	if s.work != nil {
		s.work.stop()
	}
	r := s.reception()
	if r != nil {
		r.ended = e
		r.writeWaiting(s)
	}
	if h.Hooks.Disconnected != nil || r != nil {
		s.Job(func() { s.disconnected(e) })
	}
}

// disconnected calls the callbacks for the end of the session.
func (s *Session) disconnected(e CloseInfo) {
	h := s.loop.host
	if r := s.reception(); r != nil {
		r.Disconnected(e)
	}
	if h.Hooks.Disconnected != nil {
		callback.Guard(h.Logger, "OnDisconnect", func() { //nolint:errcheck // it is logged
			h.Hooks.Disconnected(s.lastingContext(), s.Info(), e)
		})
	}
}

// Closing implements conn.Handler.
func (s *Session) Closing(e conn.CloseInfo) {
	if !s.ending {
		s.leave(CloseInfo{Code: e.Code, Reason: e.Reason})
	}
}

// Closed implements conn.Handler.
func (s *Session) Closed(e conn.CloseInfo) {
	s.Closing(e)
	s.loop.host.Attached.Add(-1)
	s.loop.host.Counters.Closes.Add(closeLabel(e.Code))
	s.releasePage()
	subs := s.subs
	s.subs, s.window = nil, nil
	s.Job(func() { s.release(subs) }) // after every callback
}

// Abandon ends a session that was not attached, because of an error, or whose loop
// has ended. OnDisconnect is called if the application has accepted the session.
func (s *Session) Abandon(err error) {
	h, subs := s.loop.host, s.subs
	h.Jobs.Add(1)
	defer h.Jobs.Add(-1)
	left := s.ending // before the loop ended
	s.loop.Do(func() {
		s.ending = true
		if s.work != nil {
			s.work.early = nil
		}
	})
	if s.accepted {
		h.Attached.Add(-1)
	}
	if !left {
		for _, sub := range subs {
			sub.Feed.Left()
		}
		h.Users.Disconnect(s.user, s)
		h.Limits.Leave(s.address)
		if s.accepted {
			e := fault.As(err)
			s.disconnected(CloseInfo{Code: e.Code.CloseCode(), Reason: e.Message})
		}
	}
	s.release(subs)
}

// closeLabel is what the end of a connection is counted under. A peer may send any
// code from 3000 to 4999; those that are not ours share a label, for they are the
// peer's to choose.
func closeLabel(code int) string {
	if code < 3000 || code >= 4400 && code < 4500 {
		return strconv.Itoa(code)
	}
	return "other"
}

// release gives back what a session held that has left.
func (s *Session) release(subs []*subscription) {
	h := s.loop.host
	for _, sub := range subs {
		h.Feeds.Unref(sub.Feed)
	}
	err := h.Users.Pinned(context.Background(), s.user, func() {
		s.user.LeftDevice(s.device, h.Clock.Now())
		h.Users.SaveLater(s.user)
	})
	if err != nil {
		h.Logger.Error("loading a user", "user", s.user.Name(), "error", err)
	}
	h.Users.Unref(s.user)
	h.Limits.Close(s.address)
	h.Unreleased.Add(-1)
}
