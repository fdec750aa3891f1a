package session

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/presence"
	"github.com/wirepost/wirepost/internal/wire"
)

// A session closes in two steps. It leaves when the close begins, whichever side began
// it: from then on it is not in any count, list or limit of connected users, and
// OnDisconnect is called. Its resources (the descriptor, references to feeds and to the
// user) are released when the connection is closed, which a peer that does not answer
// the close frame delays. Until then its pongs still acknowledge.

// end closes the connection; except in plain mode a bye is sent before the close.
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
	s.leave(CloseInfo{Code: code, Reason: reason}, true)
	s.conn.Close(code, reason)
}

// Retire closes the session because the server restarts.
func (s *Session) Retire(retryAfter time.Duration) {
	s.do(func() { s.bye(wire.CloseRestart, "restart", retryAfter) })
}

// EndAll closes sessions. When it returns, they have left.
func EndAll(all []*Session, code int, reason string) {
	var left sync.WaitGroup
	for _, s := range all {
		left.Add(1)
		posted := s.loop.Do(func() {
			defer left.Done()
			if s.conn == nil {
				s.loop.host.Users.Disconnect(s.user, s) // the rest is done when it is attached
			}
			s.doNow(func() { s.end(code, reason) })
		})
		if !posted {
			left.Done()
		}
	}
	left.Wait()
}

// leave removes the session from all counts and lists. It happens once, on the loop,
// when the session starts to close. Local says that this side closes it.
func (s *Session) leave(e CloseInfo, local bool) {
	s.ending = true
	s.loop.Disarm(&s.timer)
	how := presence.Lost
	if local && !wire.MayReconnect(e.Code) {
		how = presence.Ended
	}
	s.ended(e) // before it leaves the inbox, which may make the user offline
	for _, sub := range s.subs {
		s.unfollow(sub, how)
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

// ended calls Hooks.Ended if Hooks.Began was called.
func (s *Session) ended(e CloseInfo) {
	if s.admitted {
		s.loop.host.Hooks.Ended(s.summary(), e)
	}
}

// disconnected calls the callbacks for the end of the session.
func (s *Session) disconnected(e CloseInfo) {
	h := s.loop.host
	if r := s.reception(); r != nil {
		r.Disconnected(e)
	}
	if h.Hooks.Disconnected != nil {
		callback.Guard(h.Logger, "OnDisconnect", s.user.Name(), func() { //nolint:errcheck // it is logged
			h.Hooks.Disconnected(s.lastingContext(), s.Info(), e)
		})
	}
}

// Closing implements conn.Handler.
func (s *Session) Closing(e conn.CloseInfo) {
	if !s.ending {
		s.leave(CloseInfo{Code: e.Code, Reason: e.Reason}, false)
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
	s.Job(func() { s.release(subs) }) // after all callbacks
}

// Abandon ends a session that was not attached, because of an error or because its loop
// has closed. OnDisconnect is called if the application has accepted the session.
func (s *Session) Abandon(err error) {
	h, subs := s.loop.host, s.subs
	h.Jobs.Add(1)
	defer h.Jobs.Add(-1)
	left := s.ending // before the loop closed
	settled := make(chan struct{})
	posted := s.loop.Do(func() {
		s.ending = true
		if s.work != nil {
			s.work.early = nil
		}
		close(settled)
	})
	if posted {
		<-settled // from then on the loop leaves the session alone
	}
	if s.begun {
		h.Attached.Add(-1)
	}
	if !left {
		for _, sub := range subs {
			sub.Feed.Left()
		}
		h.Users.Disconnect(s.user, s)
		h.Limits.Leave(s.address)
		refusal := fault.As(err)
		e := CloseInfo{Code: refusal.Code.CloseCode(), Reason: refusal.Message}
		s.ended(e)
		if s.accepted {
			s.disconnected(e)
		}
	}
	s.release(subs)
}

// closeLabel is the label under which a close is counted. A peer may send any code from
// 3000 to 4999; codes other than our own share a label, because the peer chooses them.
func closeLabel(code int) string {
	if code < 3000 || code >= 4400 && code < 4500 {
		return strconv.Itoa(code)
	}
	return "other"
}

// release releases the resources of a session that has left.
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
		h.Logger.Error("a user cannot be loaded", "user", s.user.Name(), "error", err)
	}
	h.Users.Unref(s.user)
	h.Limits.Close(s.address)
	h.Unreleased.Add(-1)
}
