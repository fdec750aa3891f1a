package disk

import (
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
)

// Schedule decides when Pebble may compact. It works as Pebble's own scheduler, except
// that it allows no compaction while the store opens. Pebble then waits until none is
// running, and one that reads a damaged block would never finish: it is parked, or
// restarted endlessly.
type Schedule struct {
	*pdb.ConcurrencyLimitScheduler
	opened *atomic.Bool
	poked  chan struct{} // cap 1: receives a value when more compactions may be allowed
	stop   chan struct{}
	done   chan struct{}
}

// pokeEvery is how often the limit is checked without being poked.
const pokeEvery = time.Second

func NewSchedule(opened *atomic.Bool) *Schedule {
	return &Schedule{
		// The scheduler that checks its limit periodically cannot be made outside Pebble.
		ConcurrencyLimitScheduler: pdb.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest(),

		opened: opened, poked: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// TrySchedule implements pdb.CompactionScheduler.
func (s *Schedule) TrySchedule() (bool, pdb.CompactionGrantHandle) {
	if !s.opened.Load() {
		return false, nil
	}
	return s.ConcurrencyLimitScheduler.TrySchedule()
}

// UpdateGetAllowedWithoutPermission implements pdb.CompactionScheduler. Pebble calls it
// with its locks held.
func (s *Schedule) UpdateGetAllowedWithoutPermission() { signal(s.poked) }

// Run starts pending compactions. It runs from when the store is open until End.
func (s *Schedule) Run() {
	defer close(s.done)
	every := time.NewTicker(pokeEvery)
	defer every.Stop()
	for {
		// A finished compaction lets the next one start, and so does an empty grant.
		if ok, handle := s.TrySchedule(); ok {
			handle.Done()
		}
		select {
		case <-s.poked:
		case <-every.C:
		case <-s.stop:
			return
		}
	}
}

// End stops Run and waits for it.
func (s *Schedule) End() {
	close(s.stop)
	<-s.done
}
