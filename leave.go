package wirepost

import (
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// A session ends in two steps. It leaves when its end begins, whoever began it: from
// then on it is in no count, list or limit that says who is connected, and
// OnDisconnect is called. What it holds (the descriptor, references to feeds and to
// the user) it gives back when the connection is closed, which a peer that does not
// answer the close frame delays. Until then its pongs still acknowledge.

// end closes the connection; except in plain mode a bye goes before the close.
func (s *session) end(code int, reason string) { s.bye(code, reason, 0) }

func (s *session) bye(code int, reason string, retryAfter time.Duration) {
	if s.ending {
		return
	}
	if retry := s.mode.Codec().Retry(retryAfter); retryAfter > 0 && retry != nil {
		s.conn.Write(retry)
	}
	if s.mode.Codec().Objects() {
		s.conn.Write(s.notice(wire.Bye{
			Type: "bye", Code: code, Reason: reason, RetryAfterMS: retryAfter.Milliseconds(),
		}))
	}
	s.leave(Ending{Code: code, Reason: reason})
	s.conn.Close(code, reason)
}

// retire ends the session because the server restarts.
func (s *session) retire(retryAfter time.Duration) {
	s.do(func() { s.bye(wire.CloseRestart, "restart", retryAfter) })
}

// endAll ends sessions. When it returns, they have left.
func endAll(all []*session, code int, reason string) {
	var left sync.WaitGroup
	for _, s := range all {
		left.Add(1)
		posted := s.loop.post(func() {
			defer left.Done()
			if s.conn == nil {
				s.loop.srv.users.Disconnect(s.user, s) // the rest follows when it is attached
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
func (s *session) leave(e Ending) {
	s.ending = true
	s.loop.Disarm(&s.timer)
	for _, sub := range s.subs {
		sub.Feed.Unfollow(&sub.Subscription, s.loop.waker)
		sub.Feed.Left()
	}
	srv := s.loop.srv
	srv.users.Disconnect(s.user, s)
	srv.limits.leave(s.address)
	if s.work != nil {
		s.work.stop()
	}
	if srv.opts.OnDisconnect != nil {
		s.job(func() { s.disconnected(e) })
	}
}

// disconnected tells the application.
func (s *session) disconnected(e Ending) {
	srv := s.loop.srv
	if srv.opts.OnDisconnect != nil {
		srv.guard("OnDisconnect", func() { srv.opts.OnDisconnect(srv.ctx, s.info(), e) })
	}
}

// Closing implements conn.Handler.
func (s *session) Closing(e conn.Ending) {
	if !s.ending {
		s.leave(Ending{Code: e.Code, Reason: e.Reason})
	}
}

// Closed implements conn.Handler.
func (s *session) Closed(e conn.Ending) {
	s.Closing(e)
	s.loop.srv.attached.Add(-1)
	s.loop.srv.metrics.closed(e.Code)
	s.releasePage()
	subs := s.subs
	s.subs, s.flight = nil, nil
	s.job(func() { s.release(subs) }) // behind every callback
}

// abandon ends a session that was not attached, because of an error, or whose loop
// has ended. The application is told if it has accepted the session.
func (s *session) abandon(err error) {
	srv, subs := s.loop.srv, s.subs
	srv.jobs.Add(1)
	defer srv.jobs.Add(-1)
	left := s.ending // before the loop ended
	s.loop.post(func() { s.ending, s.work = true, nil })
	if s.accepted {
		srv.attached.Add(-1)
	}
	if !left {
		for _, sub := range subs {
			sub.Feed.Left()
		}
		srv.users.Disconnect(s.user, s)
		srv.limits.leave(s.address)
		if s.accepted {
			e := AsError(err)
			s.disconnected(Ending{Code: e.Code.closeCode(), Reason: e.Message})
		}
	}
	s.release(subs)
}

// release gives back what a session held that has left.
func (s *session) release(subs []*subscription) {
	srv := s.loop.srv
	for _, sub := range subs {
		srv.feeds.Unref(sub.Feed)
	}
	err := srv.users.Pinned(s.user, func() {
		s.user.LeftDevice(s.device, srv.clock.Now())
		srv.users.SaveLater(s.user)
	})
	if err != nil {
		srv.logger.Error("loading a user", "user", s.user.Name(), "error", err)
	}
	srv.users.Unref(s.user)
	srv.limits.close(s.address)
	srv.unreleased.Add(-1)
}
