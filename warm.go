package wirepost

import (
	"sync"
	"time"
)

// cooler is something that holds memory for as long as it is in use, and a while
// longer.
type cooler interface {
	// cool gives the memory back, if the while is over, and says whether it did.
	cool(now time.Time) bool
}

// warmSet is what waits to be cooled. One timer serves all of it, and runs only
// while there is something.
type warmSet[T cooler] struct {
	age time.Duration

	mu     sync.Mutex
	all    []T
	timer  *time.Timer
	closed bool
}

func newWarmSet[T cooler](age time.Duration) *warmSet[T] { return &warmSet[T]{age: age} }

// add takes in what has just become warm. It may be called under the lock that
// cool takes.
func (w *warmSet[T]) add(x T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, x)
	if len(w.all) == 1 {
		w.again()
	}
}

func (w *warmSet[T]) again() {
	if !w.closed {
		w.timer = time.AfterFunc(w.age, w.cool)
	}
}

func (w *warmSet[T]) cool() {
	w.mu.Lock()
	all := w.all
	w.all = nil
	w.mu.Unlock()

	now := time.Now()
	var still []T
	for _, x := range all {
		if !x.cool(now) {
			still = append(still, x)
		}
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	added := len(w.all) > 0 // and with it a timer
	w.all = append(w.all, still...)
	if len(still) > 0 && !added {
		w.again()
	}
}

func (w *warmSet[T]) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
