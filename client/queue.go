package client

import (
	"context"
	"errors"
	"sync"
)

// queue is what was received and waits for the loop over Messages. The server's
// window keeps it short; a server that does not keep to the window is not read
// from while more than maxQueued bytes wait.
type queue struct {
	more chan struct{} // of next: there is something
	room chan struct{} // of push: something was taken

	mu struct {
		sync.Mutex
		items []Event
		bytes int
		end   error // behind the last item
		now   bool  // the end is not to wait for the items
	}
}

const (
	maxQueued = 16 << 20 // bytes
	// maxNews is how many items may wait before news of connections are left out.
	maxNews = 1000
	// itemSize is what an item takes besides a message's data, roughly.
	itemSize = 256
)

func newQueue() *queue {
	return &queue{more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func sizeOf(e Event) int {
	if m, ok := e.(*Message); ok {
		return itemSize + len(m.Data)
	}
	return itemSize
}

// push appends an item, once there is room. False means that the context ended.
func (q *queue) push(ctx context.Context, e Event) bool {
	for {
		q.mu.Lock()
		if q.mu.bytes < maxQueued {
			q.addLocked(e)
			q.mu.Unlock()
			return true
		}
		q.mu.Unlock()
		select {
		case <-q.room:
		case <-ctx.Done():
			return false
		}
	}
}

// news appends an item that may be left out when nobody takes any.
func (q *queue) news(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mu.items) < maxNews {
		q.addLocked(e)
	}
}

func (q *queue) addLocked(e Event) {
	q.mu.items = append(q.mu.items, e)
	q.mu.bytes += sizeOf(e)
	notify(q.more)
}

// finish ends the queue: now, or when the items are taken.
func (q *queue) finish(err error, now bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.end == nil || now {
		q.mu.end, q.mu.now = err, now
	}
	notify(q.more)
}

// first waits for an item and leaves it where it is.
func (q *queue) first(ctx context.Context) (Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		q.mu.Lock()
		e, end := q.peekLocked()
		q.mu.Unlock()
		if e != nil || end != nil {
			return e, end
		}
		select {
		case <-q.more:
		case <-ctx.Done():
		}
	}
}

func (q *queue) peekLocked() (Event, error) {
	switch {
	case q.mu.now, len(q.mu.items) == 0:
		return nil, q.mu.end
	}
	return q.mu.items[0], nil
}

// drop takes the first item away.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropLocked()
}

func (q *queue) dropLocked() {
	q.mu.bytes -= sizeOf(q.mu.items[0])
	q.mu.items[0] = nil
	if q.mu.items = q.mu.items[1:]; len(q.mu.items) == 0 && cap(q.mu.items) < 64 {
		q.mu.items = nil
	}
	notify(q.room)
}

// failed takes the first item if it is an attempt to connect that failed.
func (q *queue) failed() *Disconnected {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mu.items) == 0 {
		return nil
	}
	e, ok := q.mu.items[0].(Disconnected)
	if !ok {
		return nil
	}
	q.dropLocked()
	return &e
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was told already
	}
}

var errBusy = errors.New("client: Messages is ranged over already")
