package wirepost

import (
	"context"
	"math/rand/v2"
	"time"
)

// Shutdown drains the server: it refuses pushes and new connections, sends bye to every
// session, closes it with 1012, paced by Options.ReconnectRate, and saves the
// acknowledgements. It returns nil when that is done. When ctx is done first, it cuts
// the connections that are still open and returns the error of ctx within a second, or
// within 5 s if the engine does not return from a call. A second call waits for the
// first one; the first ctx that is done counts for both.
//
// A connection whose client does not respond to the close frame is closed after 5 s. Then
// the contexts of callbacks are canceled, and Shutdown waits for callbacks until ctx is
// done, but at most 5 s, so that it may be called from a callback. After Shutdown,
// pushes, Revoke and Subscribe return an error; methods that only read or change a user
// work as long as the engine is open.
func (s *Server) Shutdown(ctx context.Context) error {
	s.away.Lock()
	s.draining.Store(true)
	s.away.Unlock()
	stop := context.AfterFunc(ctx, func() { s.hurry(ctx.Err()) })
	defer stop()
	s.stopOnce.Do(func() {
		close(s.drainBegan)
		if s.shared != nil {
			s.shared.SetDraining(true)
		}
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
		case <-grace.C: // the goroutine of drain goes on
			return ctx.Err()
		}
	}
	if s.cut {
		return context.Cause(s.urgent) // of this call or of another
	}
	return nil
}

const (
	// callbackGrace is how long Shutdown waits for callbacks whose contexts are canceled,
	// and urgentGrace the same once the context of Shutdown is done, too.
	callbackGrace = 5 * time.Second
	urgentGrace   = time.Second
	// engineGrace is how long Shutdown goes on after its context is done if the engine
	// does not return from a call.
	engineGrace = 5 * time.Second
)

// drain does the work of Shutdown, until s.urgent is done. A zero deadline is none.
func (s *Server) drain(deadline time.Time) {
	defer close(s.stopped)
	s.sampling.Wait()
	s.scheduled.Close()
	s.escalation.Close()
	s.gateway.Drain()
	s.away.Wait()
	s.sendAway(s.urgent.Done(), deadline)
	s.cut = wait(s.urgent, func() bool {
		return s.host.Attached.Load() == 0 && s.gateway.Open() == 0
	}) != nil
	s.cancel()
	s.cutResponses()
	s.gateway.Close()
	if s.pusher != nil {
		s.pusher.Close()
	}
	s.closeEvents()
	s.leaveCluster()
	s.leaveCallbacks()
	s.discard()
	s.hurry(nil) // releases the context
}

// discard releases what New made, apart from the loops.
func (s *Server) discard() {
	s.cancel()
	s.host.Pages.Close()
	s.host.Users.Close()
	s.host.Feeds.Close()
	s.host.Presence.Close()
	if s.shared == nil {
		s.memory.Close() //nolint:errcheck // it is memory
	}
	releaseEngine(s.engine)
}

const (
	// soonest is the shortest time to reconnect after bye: the server that replaces this
	// one may still be starting.
	soonest = time.Second / 2
	// retrySpread is the time over which clients reconnect if there is no rate.
	retrySpread = 5 * time.Second
)

// sendAway sends bye to every session. With a rate, each session gets a time of its own
// to reconnect. Closing is paced, too, because bye has no form in plain mode: plain
// clients reconnect as soon as they are closed. When hurry is closed, the rest is sent away
// at once.
func (s *Server) sendAway(hurry <-chan struct{}, deadline time.Time) {
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
		rest(hurry, closeAt-time.Since(begun))
		ses.Retire(soonest + max(0, pace*time.Duration(i)-time.Since(begun)))
	}
}

// closingTime is the part of Shutdown's time for sending close frames. The rest is for
// the responses to the last ones.
func closingTime(deadline time.Time, wanted time.Duration) time.Duration {
	if deadline.IsZero() {
		return wanted
	}
	return max(0, min(wanted, time.Until(deadline)*3/4))
}

// rest waits for d or until short is closed.
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

// leaveCallbacks waits for the callbacks of closed sessions, within the grace times.
func (s *Server) leaveCallbacks() {
	ended := func() bool { return s.host.Jobs.Load() == 0 }
	ctx, cancel := context.WithTimeout(s.urgent, callbackGrace)
	defer cancel()
	err := wait(ctx, ended)
	if err != nil && s.urgent.Err() != nil {
		ctx, cancel = context.WithTimeout(context.Background(), urgentGrace)
		defer cancel()
		err = wait(ctx, ended)
	}
	if err != nil {
		s.logger.Warn("callbacks did not return although their contexts were canceled", "callbacks", s.host.Jobs.Load())
	}
}

// cutResponses waits until the SSE and poll responses have noticed that the server's
// context is canceled.
func (s *Server) cutResponses() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	wait(ctx, func() bool { return s.gateway.Responses() == 0 }) //nolint:errcheck // one that is stuck must not hold up the rest
}

// wait returns nil when done reports true, or the error of ctx.
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
