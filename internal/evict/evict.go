// Package evict takes idle things out of memory.
package evict

import (
	"sync"
	"time"
)

// Evictable is something that holds memory while it is in use, and for a while after.
type Evictable interface {
	// Evict gives the memory back if the while is over, and says whether it did.
	Evict(now time.Time) bool
}

// Set is what waits to be evicted. One timer serves all of it, and runs only while
// there is something.
type Set[T Evictable] struct {
	age time.Duration

	mu     sync.Mutex
	all    []T
	timer  *time.Timer
	closed bool
}

// NewSet makes a set whose members are asked every age.
func NewSet[T Evictable](age time.Duration) *Set[T] { return &Set[T]{age: age} }

// Add takes in what has just been loaded. It may be called under the lock that
// Evict takes.
func (s *Set[T]) Add(x T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, x)
	if len(s.all) == 1 {
		s.startLocked()
	}
}

func (s *Set[T]) startLocked() {
	if !s.closed {
		s.timer = time.AfterFunc(s.age, s.sweep)
	}
}

func (s *Set[T]) sweep() {
	s.mu.Lock()
	all := s.all
	s.all = nil
	s.mu.Unlock()

	now := time.Now()
	var still []T
	for _, x := range all {
		if !x.Evict(now) {
			still = append(still, x)
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	added := len(s.all) > 0 // and with it a timer
	s.all = append(s.all, still...)
	if len(still) > 0 && !added {
		s.startLocked()
	}
}

// Close stops the timer.
func (s *Set[T]) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
