package conn

import (
	"sync"
	"sync/atomic"
	"time"
)

// switching is a loop's poller: a signal until the first event-driven socket is
// attached, an epoll from then on. (A loop that only serves pipes needs no epoll, and
// runs in fake time.)
type switching struct {
	*signal
	epoll  atomic.Pointer[epoll]
	mu     sync.Mutex // guards creating the epoll
	closed bool       // guarded by mu
}

func newPoller() poller { return &switching{signal: newSignal()} }

// watchSockets creates the loop's epoll on the first call. Pending reports whether a
// task is posted to the loop.
func (sw *switching) watchSockets(pending func() bool) error {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	if sw.epoll.Load() != nil {
		return nil
	}
	if sw.closed {
		return ErrLoopClosed
	}
	p, err := newEpoll(pending)
	if err != nil {
		return err
	}
	sw.epoll.Store(p)
	sw.signal.wake() // the loop may be waiting on it
	return nil
}

// current is the poller in use. A wake-up of the signal while the loop is switching is
// not lost: before it sleeps, an epoll checks for posted tasks.
func (sw *switching) current() poller {
	if p := sw.epoll.Load(); p != nil {
		return p
	}
	return sw.signal
}

func (sw *switching) wait(d time.Duration) { sw.current().wait(d) }
func (sw *switching) wake()                { sw.current().wake() }
func (sw *switching) dispatch() bool       { return sw.current().dispatch() }

func (sw *switching) close() {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	sw.closed = true
	if p := sw.epoll.Load(); p != nil {
		p.close()
	}
}
