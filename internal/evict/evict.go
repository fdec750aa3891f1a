// Package evict frees the memory of idle objects.
package evict

import (
	"sync"
	"time"
)

// Evictable is an object that holds memory while in use, and for a while after.
type Evictable interface {
	// Evict frees the memory if the object has been idle long enough, and reports
	// whether it did.
	Evict(now time.Time) bool
}

// Set holds the objects to evict. They share one timer, which runs only while the set
// is not empty.
type Set[T Evictable] struct {
	age time.Duration

	mu     sync.Mutex
	all    []T
	timer  *time.Timer
	closed bool
}

// NewSet returns a set that calls Evict of its members at intervals of age.
func NewSet[T Evictable](age time.Duration) *Set[T] { return &Set[T]{age: age} }

// Add adds an object that was just loaded. It may be called under the lock that Evict
// takes.
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
	added := len(s.all) > 0 // which started a timer
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
