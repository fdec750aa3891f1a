package conn

import "time"

// poller is where a loop waits for events.
type poller interface {
	// wait returns after d (never, if it is negative), or once wake was called since it
	// last returned. It may return early.
	wait(d time.Duration)
	// wake may be called from any goroutine, and never blocks.
	wake()
	// dispatch passes socket events to the sockets, and reports whether there were any.
	dispatch() bool
	close()
}

// signal is the poller of a loop without event-driven sockets.
type signal struct {
	woken chan struct{}
	timer *time.Timer
}

func newSignal() *signal {
	s := &signal{woken: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	s.timer.Stop()
	return s
}

func (s *signal) wait(d time.Duration) {
	select {
	case <-s.woken: // a busy loop does not touch the timer
		return
	default:
	}
	switch {
	case d < 0:
		<-s.woken
	case d > 0:
		s.timer.Reset(d)
		select {
		case <-s.woken:
			s.timer.Stop()
		case <-s.timer.C:
		}
	}
}

func (s *signal) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *signal) dispatch() bool { return false }

func (s *signal) close() {}
