package client

import (
	"context"
	"errors"
	"sync"
)

// queue holds what was received until the loop over Messages takes it. The server's
// window keeps it short; a server that does not keep to the window is not read from
// while more than maxQueued bytes wait.
type queue struct {
	more chan struct{} // of next: there is something
	room chan struct{} // of push: something was taken

	mu struct {
		sync.Mutex
		items []Event
		bytes int
		err   error // after the last item
		now   bool  // err does not wait for the items
	}
}

const (
	maxQueued = 16 << 20 // bytes
	// maxOffered is how many items may wait before reports about connections are dropped.
	maxOffered = 1000
	// itemSize is the size of an item without a message's data, roughly.
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

// offer appends an item that is dropped if very many wait.
func (q *queue) offer(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.mu.items) < maxOffered {
		q.addLocked(e)
	}
}

func (q *queue) addLocked(e Event) {
	q.mu.items = append(q.mu.items, e)
	q.mu.bytes += sizeOf(e)
	notify(q.more)
}

// finish ends the queue with an error: now, or when the items are taken.
func (q *queue) finish(err error, now bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.err == nil || now {
		q.mu.err, q.mu.now = err, now
	}
	notify(q.more)
}

// first waits for an item and leaves it in the queue.
func (q *queue) first(ctx context.Context) (Event, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		q.mu.Lock()
		e, err := q.peekLocked()
		q.mu.Unlock()
		if e != nil || err != nil {
			return e, err
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
		return nil, q.mu.err
	}
	return q.mu.items[0], nil
}

// drop removes the first item.
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

// failed removes and returns the first item if it reports a failed attempt to connect.
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
	default: // it was notified already
	}
}

var errBusy = errors.New("client: another loop ranges over Messages")
