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
	// saveDelay is how long an acknowledgement may wait so that it is saved together
	// with others. A crash within this time only causes repeats. The next save waits for
	// savePart times as long as the last one took if that is longer, and for maxSaveDelay at
	// most: when the store or the log of a cluster is busy, fewer and larger saves leave it
	// time for messages.
	saveDelay    = 100 * time.Millisecond
	savePart     = 20
	maxSaveDelay = 400 * time.Millisecond
	// settleDelay bounds the time until saved changes are on disk, so that one sync
	// covers many of them. A crash before the sync loses acknowledgements of that time,
	// which only causes repeats.
	settleDelay = time.Second
	// saveRetry is the pause after a failed save.
	saveRetry = time.Second
)

// saver writes the acknowledgements of users to the engine in batches. A queued user
// holds a reference and a pin. Changes that must not wait are saved directly with Save.
type saver struct {
	users  *Users
	done   chan struct{}
	ending chan struct{} // closed by close

	mu struct {
		sync.Mutex
		queue []*User
	}
	wake chan struct{} // cap 1

	// failure is how badly the last attempt failed, as a level of the log; 0: it did not.
	// Owned by run.
	failure slog.Level
}

func newSaver(us *Users) *saver {
	s := &saver{users: us, done: make(chan struct{}), ending: make(chan struct{}), wake: make(chan struct{}, 1)}
	go s.run()
	return s
}

// SaveLater queues a user, whose state the caller has pinned, to be saved soon.
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

// rest waits for d, or until the saver is closed.
func (s *saver) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ending:
	}
}

// close saves what is queued and stops the saver.
func (s *saver) close() {
	close(s.ending)
	<-s.done
}

func (s *saver) run() {
	defer close(s.done)
	pause := saveDelay
	var settle <-chan time.Time // set while saved changes are not on disk yet
	for {
		select {
		case <-s.wake:
			s.rest(pause) // to collect more changes
		case <-settle:
			settle = nil
			s.settle()
		case <-s.ending:
			s.save() //nolint:errcheck // it was logged; there is no later attempt
			s.settle()
			return
		}
		began := time.Now()
		err := s.save()
		pause = min(max(saveDelay, savePart*time.Since(began)), maxSaveDelay)
		if err != nil {
			pause = saveRetry
		}
		if settle == nil && s.users.unsettled.Load() {
			settle = time.After(settleDelay)
		}
	}
}

// settle syncs the changes that were saved without sync. If that fails, the next call
// retries.
func (s *saver) settle() {
	if !s.users.unsettled.Swap(false) {
		return
	}
	if err := s.users.config.Store.Save(context.Background(), nil, true); err != nil {
		s.users.unsettled.Store(true)
		s.tried(err)
	}
}

// tried logs that saving fails, and is retried, or that it succeeds again, each once.
func (s *saver) tried(err error) {
	level := slog.Level(0)
	switch {
	case errors.Is(err, engine.ErrUnavailable):
		level = slog.LevelWarn // the engine logs its own failure
	case err != nil:
		level = slog.LevelError
	}
	was := s.failure
	s.failure = level
	switch {
	case level > was:
		s.users.config.Logger.Log(context.Background(), level, "cursors cannot be saved: trying again until they are", "error", err)
	case err == nil && was > 0:
		s.users.config.Logger.Info("cursors are saved again")
	}
}

// save saves everything queued. Changes that could not be saved are queued again.
func (s *saver) save() error {
	s.mu.Lock()
	queue := s.mu.queue
	s.mu.queue = nil
	for _, u := range queue {
		u.queued = false
	}
	s.mu.Unlock()

	err := s.users.saveAll(context.Background(), queue, false)
	if len(queue) > 0 {
		s.tried(err)
	}
	for _, u := range queue {
		if err != nil {
			s.later(u)
		}
		s.users.Release(u)
	}
	return err
}

// Save saves the changes of a user whose state is pinned; with sync they are durable on
// return. Changes that could not be saved are retried later.
func (us *Users) Save(ctx context.Context, u *User, sync bool) error {
	err := us.saveAll(ctx, []*User{u}, sync)
	if err != nil {
		us.saver.later(u)
	}
	if !sync {
		us.saver.poke() // schedules the sync
	}
	return err
}

// saveAll saves the changes of users whose states are pinned. Saves of the same user
// wait for each other, so that stored state never goes backward. Only the saver saves
// several users, each once, so these waits cannot form a cycle.
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
	var actions *[]Action
	if us.config.Record != nil {
		actions = new([]Action)
	}
	for i, u := range all {
		before := len(updates)
		updates = u.takeChanges(updates, actions)
		counts[i] = len(updates) - before
	}
	if len(updates) == 0 && !sync { // with sync: another save may have taken them, without
		return nil
	}
	err := us.record(ctx, actions)
	if err == nil {
		err = us.config.Store.Save(ctx, updates, sync)
	}
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

// record passes on what users did. It comes before the save, so that nothing is missing
// after a crash.
func (us *Users) record(ctx context.Context, actions *[]Action) error {
	if actions == nil || len(*actions) == 0 {
		return nil
	}
	return us.config.Record(ctx, *actions)
}
