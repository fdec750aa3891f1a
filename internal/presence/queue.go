package presence

import (
	"math"
	"sync"
	"time"
)

// never is later than everything.
const never = time.Duration(math.MaxInt64)

// queue holds what is due later, in the order in which it was added: everything waits
// equally long.
type queue[T any] struct {
	mu    sync.Mutex
	items []dueItem[T]
}

type dueItem[T any] struct {
	at time.Duration
	x  T
}

// add reports whether the queue was empty.
func (q *queue[T]) add(at time.Duration, x T) (first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, dueItem[T]{at, x})
	return len(q.items) == 1
}

// next is when the first item is due.
func (q *queue[T]) next() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return never
	}
	return q.items[0].at
}

// all returns the items that match.
func (q *queue[T]) all(match func(T) bool) (list []dueItem[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, item := range q.items {
		if match(item.x) {
			list = append(list, item)
		}
	}
	return list
}

// due removes and returns the first item, if it is due.
func (q *queue[T]) due(now time.Duration) (x T, at time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 || q.items[0].at > now {
		return x, 0, false
	}
	first := q.items[0]
	q.items[0] = dueItem[T]{}
	if q.items = q.items[1:]; len(q.items) == 0 {
		q.items = nil
	}
	return first.x, first.at, true
}
