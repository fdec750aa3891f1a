package wirepost

import (
	"log/slog"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// saveDelay is how long an acknowledgement may wait for others to be saved
	// with. A crash in that time only means a repeat.
	saveDelay = 100 * time.Millisecond
	// saveRetry is the pause after a save that failed.
	saveRetry = time.Second
)

// saver writes what changed of users to the engine, many at a time. It is the
// only one who calls Save, so the stored state never goes back. A user
// holds a reference and a pin while it waits here.
type saver struct {
	users  *users
	logger *slog.Logger
	done   chan struct{}

	mu struct {
		sync.Mutex
		queue   []*user
		waiters []chan<- error
		sync    bool
		closing bool
	}
	wake chan struct{} // cap 1
}

func newSaver(us *users, logger *slog.Logger) *saver {
	s := &saver{users: us, logger: logger, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.run()
	return s
}

// later has the changes of a user saved soon, whose state the caller has pinned.
func (s *saver) later(u *user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queueLocked(u)
	s.nudge()
}

// now saves a user's changes and waits for it; with sync until they are durable.
func (s *saver) now(u *user, sync bool) error {
	answer := make(chan error, 1)
	s.mu.Lock()
	if s.mu.closing {
		s.mu.Unlock()
		return errDraining
	}
	s.queueLocked(u)
	s.mu.waiters = append(s.mu.waiters, answer)
	s.mu.sync = s.mu.sync || sync
	s.nudge()
	s.mu.Unlock()
	return <-answer
}

func (s *saver) queueLocked(u *user) {
	if !u.queued {
		u.queued = true
		s.mu.queue = append(s.mu.queue, u)
		s.users.again(u)
	}
}

func (s *saver) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// close saves what is left and ends the saver.
func (s *saver) close() {
	s.mu.Lock()
	s.mu.closing = true
	s.mu.Unlock()
	s.nudge()
	<-s.done
}

func (s *saver) run() {
	defer close(s.done)
	timer := time.NewTimer(saveDelay)
	defer timer.Stop()
	for pause := time.Duration(0); ; {
		<-s.wake
		if pause > 0 && !s.urgent() {
			timer.Reset(pause)
			s.waitOrUrgent(timer)
		}
		err := s.save()
		switch {
		case s.closing():
			return
		case err != nil:
			s.logger.Error("saving cursors", "error", err)
			pause = saveRetry
			s.nudge()
		default:
			pause = saveDelay
		}
	}
}

// waitOrUrgent waits for the timer, or until somebody waits for an answer.
func (s *saver) waitOrUrgent(timer *time.Timer) {
	for {
		select {
		case <-timer.C:
			return
		case <-s.wake:
			if s.urgent() {
				timer.Stop()
				return
			}
		}
	}
}

func (s *saver) urgent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.waiters) > 0 || s.mu.closing
}

func (s *saver) closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.closing && len(s.mu.queue) == 0
}

// save saves everything queued. After an error it is all queued again.
func (s *saver) save() error {
	s.mu.Lock()
	queue, waiters, sync := s.mu.queue, s.mu.waiters, s.mu.sync
	s.mu.queue, s.mu.waiters, s.mu.sync = nil, nil, false
	for _, u := range queue {
		u.queued = false
	}
	closing := s.mu.closing
	s.mu.Unlock()

	var updates []engine.Update
	counts := make([]int, len(queue))
	for i, u := range queue {
		before := len(updates)
		updates = u.takeChanges(updates)
		counts[i] = len(updates) - before
	}
	var err error
	if len(updates) > 0 {
		err = s.users.engine.Save(updates, sync)
	}
	for i, u := range queue {
		if err != nil {
			for _, up := range updates[:counts[i]] {
				u.putBack(up)
			}
			updates = updates[counts[i]:]
			if !closing {
				s.later(u)
			}
		}
		s.users.release(u)
	}
	for _, w := range waiters {
		w <- err
	}
	return err
}
