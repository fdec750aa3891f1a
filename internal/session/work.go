package session

import "context"

// work is what only a session that does more than receive messages needs: its jobs, and
// what its callbacks need.
type work struct {
	jobs jobs

	// values is the context of the session's request, kept only for its values, because
	// callbacks run after the request has ended. It is nil if no callbacks about
	// sessions are set. Static.
	values    context.Context
	reception *reception // nil for sessions without a Receiver; static

	// Owned by the loop.
	held   bool            // reading has stopped: the silence is not the client's
	ctx    context.Context // of the callbacks; ends with the session
	cancel context.CancelFunc
	early  []func() // jobs posted before the connection was attached
	// refreshAt is when the application is asked for the next identity, in ms since the
	// epoch by the wall clock; 0: it is not asked.
	refreshAt int64
	meter     *Meter  // nil until the first metered input
	watches   watches // of channels whose presence the client sees
	// unsubscribed are the memberships that the client has unsubscribed.
	unsubscribed map[string]bool
}

func (s *Session) theWork() *work {
	if s.work == nil {
		s.work = new(work)
	}
	return s.work
}

// Job runs fn after the session's earlier jobs, off the loop, because it may wait: it is
// a command that needs the engine, or a callback of the application. On the loop.
func (s *Session) Job(fn func()) {
	if s.theWork().jobs.add(fn) {
		s.loop.host.Jobs.Add(1)
		go s.runJobs(fn)
	}
}

// runJobs runs the jobs, from the first, until there are none.
func (s *Session) runJobs(fn func()) {
	defer s.loop.host.Jobs.Add(-1)
	for fn != nil {
		fn()
		var room bool
		if fn, room = s.work.jobs.next(); room {
			s.do(s.throttle)
		}
	}
}

// context returns the context of the session's callbacks. On the loop.
func (w *work) context(s *Session) context.Context {
	if w.ctx == nil {
		w.ctx, w.cancel = context.WithCancel(s.lastingContext())
	}
	return w.ctx
}

// keepValues keeps the values of a request's context for the callbacks of its session,
// if there are any. It is called before the session is registered: from then on work
// does not change.
func (s *Session) keepValues(request context.Context) {
	if s.loop.host.Hooks.Values || s.reception() != nil {
		s.theWork().values = request
	}
}

// lastingContext is for callbacks that may run after the session has ended. It is
// canceled when the server shuts down, and has the values of the session's request.
func (s *Session) lastingContext() context.Context {
	h := s.loop.host
	if s.work == nil || s.work.values == nil {
		return h.Base
	}
	return requestValues{Context: h.Base, request: s.work.values}
}

// requestValues is a context with the values of a request, but without its cancelation.
type requestValues struct {
	context.Context
	request context.Context
}

// Value asks the embedded context first: package context looks up internal keys to
// propagate cancelation.
func (c requestValues) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.request.Value(key)
}

// stop cancels the context of the callbacks.
func (w *work) stop() {
	if w.cancel != nil {
		w.cancel()
	}
}

// laterJob is Job for any goroutine, and also works once the session has started to
// close.
func (s *Session) laterJob(fn func()) { s.loop.Do(func() { s.Job(fn) }) }
