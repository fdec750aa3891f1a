package user

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// saveDelay is how long an acknowledgement may wait for others to be saved
	// with. A crash in that time only means a repeat.
	saveDelay = 100 * time.Millisecond
	// settleDelay is how long what was saved may take to be on disk. One sync then
	// covers all of it; in a crash before it, acknowledgements of that time are
	// lost, which only means repeats.
	settleDelay = time.Second
	// saveRetry is the pause after a save that failed.
	saveRetry = time.Second
)

// saver writes the acknowledgements of users to the engine, many at a time. A user
// holds a reference and a pin while it waits here. What must not wait is saved
// directly (Save).
type saver struct {
	users  *Users
	done   chan struct{}
	ending chan struct{} // closed by close

	mu struct {
		sync.Mutex
		queue []*User
	}
	wake chan struct{} // cap 1
}

func newSaver(us *Users) *saver {
	s := &saver{users: us, done: make(chan struct{}), ending: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.run()
	return s
}

// SaveLater has the changes of a user saved soon, whose state the caller has pinned.
func (us *Users) SaveLater(u *User) { us.saver.later(u) }

func (s *saver) later(u *User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.queued {
		return
	}
	u.queued = true
	s.mu.queue = append(s.mu.queue, u)
	s.users.Retain(u)
	s.poke()
}

func (s *saver) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// rest waits, unless the saver is to end.
func (s *saver) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ending:
	}
}

// close saves what is left and ends the saver.
func (s *saver) close() {
	close(s.ending)
	<-s.done
}

func (s *saver) run() {
	defer close(s.done)
	pause := saveDelay
	var settle <-chan time.Time // when there is something that is not on disk yet
	for {
		select {
		case <-s.wake:
			s.rest(pause) // for more to be saved together
		case <-settle:
			settle = nil
			s.settle()
		case <-s.ending:
			s.save() //nolint:errcheck // it was logged, and there is no later
			s.settle()
			return
		}
		pause = saveDelay
		if s.save() != nil {
			pause = saveRetry
		}
		if settle == nil && s.users.unsettled.Load() {
			settle = time.After(settleDelay)
		}
	}
}

// settle has the disk take what was saved without waiting for it. If that fails,
// the next one tries.
func (s *saver) settle() {
	if !s.users.unsettled.Swap(false) {
		return
	}
	if err := s.users.config.Store.Save(context.Background(), nil, true); err != nil {
		s.users.unsettled.Store(true)
		s.failed(err)
	}
}

// failed logs a save that failed and is tried again.
func (s *saver) failed(err error) {
	level := slog.LevelError
	if errors.Is(err, engine.ErrUnavailable) {
		level = slog.LevelWarn // the engine says for itself what has failed
	}
	s.users.config.Logger.Log(context.Background(), level, "saving cursors", "error", err)
}

// save saves everything queued. What could not be saved is queued again.
func (s *saver) save() error {
	s.mu.Lock()
	queue := s.mu.queue
	s.mu.queue = nil
	for _, u := range queue {
		u.queued = false
	}
	s.mu.Unlock()

	err := s.users.saveAll(context.Background(), queue, false)
	if err != nil {
		s.failed(err)
	}
	for _, u := range queue {
		if err != nil {
			s.later(u)
		}
		s.users.Release(u)
	}
	return err
}

// Save saves the changes of a user whose state is pinned; with sync they are durable
// on return. What could not be saved is tried again later.
func (us *Users) Save(ctx context.Context, u *User, sync bool) error {
	err := us.saveAll(ctx, []*User{u}, sync)
	if err != nil {
		us.saver.later(u)
	}
	if !sync {
		us.saver.poke() // it is to be on disk some time
	}
	return err
}

// saveAll saves the changes of users whose states are pinned. One who saves a user
// waits for another who does, so what is stored never goes back. Only the saver
// saves several, each once, so nobody waits in a circle.
func (us *Users) saveAll(ctx context.Context, all []*User, sync bool) error {
	for _, u := range all {
		u.mu.saving.Lock()
	}
	defer func() {
		for _, u := range all {
			u.mu.saving.Unlock()
		}
	}()
	return us.saveChanges(ctx, all, sync)
}

func (us *Users) saveChanges(ctx context.Context, all []*User, sync bool) error {
	updates := make([]engine.Update, 0, len(all))
	counts := make([]int, len(all))
	for i, u := range all {
		before := len(updates)
		updates = u.takeChanges(updates)
		counts[i] = len(updates) - before
	}
	if len(updates) == 0 && !sync { // with sync: another save may have taken them, without
		return nil
	}
	err := us.config.Store.Save(ctx, updates, sync)
	if err == nil {
		if !sync {
			us.unsettled.Store(true)
		}
		for _, u := range all {
			u.saved()
		}
		return nil
	}
	for i, u := range all {
		for j := range updates[:counts[i]] {
			u.putBack(&updates[j])
		}
		updates = updates[counts[i]:]
	}
	return err
}
