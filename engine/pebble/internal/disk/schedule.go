package disk

import (
	"sync/atomic"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
)

// Schedule decides when Pebble may compact: as Pebble's own scheduler does, but not
// while it opens the store. Pebble waits then until no compaction is running, which
// would be for ever when one meets damage: it is parked, or started again and again.
type Schedule struct {
	*pdb.ConcurrencyLimitScheduler
	opened *atomic.Bool
	poked  chan struct{} // cap 1: gets a value when more compactions may be allowed
	stop   chan struct{}
	done   chan struct{}
}

// pokeEvery is how often the limit is looked at without being poked.
const pokeEvery = time.Second

func NewSchedule(opened *atomic.Bool) *Schedule {
	return &Schedule{
		// The one that looks at its limit by itself cannot be made outside of Pebble.
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

// Run starts what waits, from when the store is open until end is called.
func (s *Schedule) Run() {
	defer close(s.done)
	every := time.NewTicker(pokeEvery)
	defer every.Stop()
	for {
		// The end of a compaction lets the next one start, and so does one of nothing.
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

func (s *Schedule) End() {
	close(s.stop)
	<-s.done
}
