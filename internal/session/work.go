package session

import (
	"context"
	"sync"

	"github.com/wirepost/wirepost/internal/presence"
	"github.com/wirepost/wirepost/internal/wire"
)

// maxJobs is the number of commands of one session that may be queued. Then reading
// stops.
const maxJobs = 16

// work is the work of a session off its loop, because it may wait: commands that need
// the engine, and the application's callbacks. The jobs run one at a time, in order, on
// a goroutine that exists only while there are jobs.
type work struct {
	mu      sync.Mutex
	queue   []func() // guarded by mu; the first one is running
	waiting bool     // guarded by mu: reading stopped because the queue was full

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
	meter     *Meter            // nil until the first metered input
	watches   []*presence.Watch // of channels whose presence the client sees
}

func (s *Session) theWork() *work {
	if s.work == nil {
		s.work = new(work)
	}
	return s.work
}

// Job runs fn after the session's earlier jobs. On the loop.
func (s *Session) Job(fn func()) { s.theWork().add(s, fn) }

func (w *work) add(s *Session, fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, fn)
	if len(w.queue) == 1 {
		s.loop.host.Jobs.Add(1)
		go w.run(s, fn)
	}
}

// full reports whether reading must stop until there are fewer jobs.
func (w *work) full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = len(w.queue) >= maxJobs
	return w.waiting
}

func (w *work) run(s *Session, fn func()) {
	defer s.loop.host.Jobs.Add(-1)
	for fn != nil {
		fn()
		fn = w.next(s)
	}
}

// next removes the finished job from the queue and returns the next one.
func (w *work) next(s *Session) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue[0] = nil
	w.queue = w.queue[1:]
	if w.waiting {
		w.waiting = false
		s.do(s.throttle)
	}
	if len(w.queue) == 0 {
		w.queue = nil
		return nil
	}
	return w.queue[0]
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

// withState runs fn with the user's state pinned: at once, or as a job if the state
// must be loaded. On the loop.
func (s *Session) withState(fn func()) {
	if s.user.TryPin() {
		fn()
		s.user.Unpin()
		return
	}
	s.Job(func() {
		if err := s.loop.host.Users.Pinned(context.Background(), s.user, fn); err != nil {
			s.loop.host.Logger.Error("loading a user", "user", s.user.Name(), "error", err)
			s.do(func() { s.end(wire.CloseInternal, "the store cannot be read") })
		}
	})
}
