package wirepost

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// maxJobs is how many commands of one session may wait. Then reading stops.
const maxJobs = 16

// jobs are what a session has to do off its loop, because it may wait: commands
// that need the engine, and the application's callbacks. They run one at a time,
// in order, on a goroutine that exists only while there are some.
type jobs struct {
	mu      sync.Mutex
	queue   []func() // guarded by mu; the first one is running
	waiting bool     // guarded by mu: reading stopped because the queue was full

	// Owned by the loop.
	ctx    context.Context // of the callbacks; ends with the session
	cancel context.CancelFunc
}

// add runs fn behind the session's earlier jobs.
func (j *jobs) add(s *session, fn func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = append(j.queue, fn)
	if len(j.queue) == 1 {
		s.srv.work.Add(1)
		go j.run(s, fn)
	}
}

// full says whether reading has to stop until there are fewer.
func (j *jobs) full() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = len(j.queue) >= maxJobs
	return j.waiting
}

func (j *jobs) run(s *session, fn func()) {
	defer s.srv.work.Done()
	for fn != nil {
		fn()
		fn = j.next(s)
	}
}

// next takes the finished job off the queue and returns the one behind it.
func (j *jobs) next(s *session) func() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue[0] = nil
	j.queue = j.queue[1:]
	if j.waiting {
		j.waiting = false
		s.do(s.throttle)
	}
	if len(j.queue) == 0 {
		j.queue = nil
		return nil
	}
	return j.queue[0]
}

// context is the one for the session's callbacks. On the loop.
func (j *jobs) context(s *session) context.Context {
	if j.ctx == nil {
		j.ctx, j.cancel = context.WithCancel(s.srv.ctx)
	}
	return j.ctx
}

// stop ends the context of the callbacks.
func (j *jobs) stop() {
	if j.cancel != nil {
		j.cancel()
	}
}

// guard runs a callback of the application. A panic in it is logged, and an error
// for the caller; it ends nothing else.
func (s *Server) guard(name string, fn func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("panic in a callback", "callback", name, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in %s: %v", name, p)
		}
	}()
	fn()
	return nil
}
