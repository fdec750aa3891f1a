package wirepost

import (
	"context"
	"math/rand/v2"
	"time"
)

// Shutdown drains the server: pushes and new connections are refused from now on,
// every session is told bye and closed with 1012, by Options.ReconnectRate one
// after the other, and what they acknowledged is saved. It returns when all that is
// done, or within a second after ctx has ended, with its error; connections that
// were still open then are cut. A second call waits for the first one, which the
// end of either's ctx hurries.
//
// The contexts of callbacks end when the connections have. A callback that goes on
// in spite of it is waited for until ctx ends, but 5 s at most, and is then left
// behind: what it does with the server fails. So Shutdown may be called from within
// a callback, and returns. An engine that hangs keeps it for 5 s after ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	stop := context.AfterFunc(ctx, s.hurry)
	defer stop()
	s.stopOnce.Do(func() {
		deadline, _ := ctx.Deadline()
		go s.drain(deadline)
	})
	select {
	case <-s.stopped:
	case <-ctx.Done():
		grace := time.NewTimer(engineGrace)
		defer grace.Stop()
		select {
		case <-s.stopped:
		case <-grace.C: // it goes on by itself
			return ctx.Err()
		}
	}
	if s.cut && ctx.Err() == nil {
		return context.Canceled // by another call
	}
	if s.cut {
		return ctx.Err()
	}
	return nil
}

const (
	// callbackGrace is how long callbacks whose contexts have ended are waited for,
	// and urgentGrace the same once the context of Shutdown has ended as well.
	callbackGrace = 5 * time.Second
	urgentGrace   = time.Second
	// engineGrace is what Shutdown takes beyond its context at the most, when the
	// engine does not come back from a call.
	engineGrace = 5 * time.Second
)

// drain is Shutdown, until s.urgent ends it. The deadline is zero when there is
// none.
func (s *Server) drain(deadline time.Time) {
	defer close(s.stopped)
	s.gateway.Drain()
	s.sendAway(deadline)
	s.cut = wait(s.urgent, func() bool {
		return s.host.Attached.Load() == 0 && s.gateway.Open() == 0
	}) != nil
	s.cancel()
	s.cutResponses()
	s.gateway.Close()
	s.leaveCallbacks()
	s.host.Pages.Close()
	s.host.Users.Close()
	s.host.Feeds.Close()
	s.memory.Close() //nolint:errcheck // it is memory
	releaseEngine(s.engine)
	s.hurry() // it has nothing to hurry any more
}

const (
	// soonest is when a client that was told bye may come back at the earliest: the
	// server that it comes back to may still be starting.
	soonest = time.Second / 2
	// retrySpread is the time over which clients come back without a rate.
	retrySpread = 5 * time.Second
)

// sendAway tells every session bye. With a rate each has its own moment to come
// back, and they are closed over time as well, for those that come back at once:
// plain clients, who cannot be told a moment.
func (s *Server) sendAway(deadline time.Time) {
	all := s.host.All()
	if s.opts.ReconnectRate == 0 {
		for _, ses := range all {
			ses.Retire(soonest + rand.N(retrySpread))
		}
		return
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	pace := time.Duration(float64(time.Second) / s.opts.ReconnectRate)
	begun, window := time.Now(), closingTime(deadline, pace*time.Duration(len(all)))
	for i, ses := range all {
		closeAt := window * time.Duration(i) / time.Duration(len(all))
		rest(s.urgent.Done(), closeAt-time.Since(begun))
		ses.Retire(soonest + max(0, pace*time.Duration(i)-time.Since(begun)))
	}
}

// closingTime is how long closing may take of the time that Shutdown has: what is
// left is for the last ones to answer.
func closingTime(deadline time.Time, wanted time.Duration) time.Duration {
	if deadline.IsZero() {
		return wanted
	}
	return max(0, min(wanted, time.Until(deadline)*3/4))
}

// rest waits, unless it is cut short.
func rest(short <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-short:
	}
}

// leaveCallbacks waits for the jobs of sessions, which all have ended, for a while.
func (s *Server) leaveCallbacks() {
	ended := func() bool { return s.host.Jobs.Load() == 0 }
	ctx, cancel := context.WithTimeout(s.urgent, callbackGrace)
	defer cancel()
	if wait(ctx, ended) == nil {
		return
	}
	ctx, cancel = context.WithTimeout(context.Background(), urgentGrace)
	defer cancel()
	if wait(ctx, ended) != nil {
		s.logger.Warn("callbacks did not return although their contexts ended", "sessions", s.host.Jobs.Load())
	}
}

// cutResponses waits until the responses have noticed that the server's context
// ended.
func (s *Server) cutResponses() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	wait(ctx, func() bool { return s.gateway.Responses() == 0 }) //nolint:errcheck // one that is stuck must not hold up the rest
}

// wait returns when something is done, or with ctx's error.
func wait(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}
