// Package acks keeps the low-water mark of messages that workers finish out of order.
//
// A cursor acknowledges a message and all before it, so a program whose workers run at the
// same time may acknowledge a message only when all earlier ones are finished as well:
//
//	for msg, err := range c.Messages(ctx) { // of a client with Options.ManualAck
//		…
//		tracker.Add(msg.Channel, msg.Seq, msg)
//		work <- msg
//	}
//
// and in each worker:
//
//	handle(msg)
//	if last, ok := tracker.Done(msg.Channel, msg.Seq); ok {
//		err = last.Ack()
//	}
//
// A program that reads by Server.Subscribe stores last.Seq instead, and begins after it
// the next time.
package acks

import (
	"slices"
	"sync"
)

// Tracker tracks messages that have been given out. The zero value is ready, and all
// methods are safe for concurrent use. It holds the messages from the oldest unfinished one
// of each channel on: bound them by the window of the client, or by the queue of the
// workers.
type Tracker[T any] struct {
	mu       sync.Mutex
	channels map[string][]entry[T] // in order, from the oldest unfinished one on
}

type entry[T any] struct {
	seq  uint64
	item T
	done bool
}

// Add tracks a message before it is given to a worker. The sequences of a channel are
// added in increasing order; a lower one says that the channel began anew, in an emptied
// store, and what was tracked of it is forgotten.
func (t *Tracker[T]) Add(channel string, seq uint64, item T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.channels == nil {
		t.channels = map[string][]entry[T]{}
	}
	list := t.channels[channel]
	if n := len(list); n > 0 && seq <= list[n-1].seq {
		list = nil
	}
	t.channels[channel] = append(list, entry[T]{seq: seq, item: item})
}

// Done says that a message is finished. If that moves the low-water mark of its channel,
// the item of the last message before which all are finished is returned, for the program
// to acknowledge. A message that is not tracked moves nothing.
func (t *Tracker[T]) Done(channel string, seq uint64) (last T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.channels[channel]
	i, found := slices.BinarySearchFunc(list, seq, func(e entry[T], seq uint64) int {
		switch {
		case e.seq < seq:
			return -1
		case e.seq > seq:
			return 1
		}
		return 0
	})
	if !found {
		return last, false
	}
	list[i].done = true
	n := 0
	for n < len(list) && list[n].done {
		n++
	}
	if n == 0 {
		return last, false
	}
	last = list[n-1].item
	clear(list[:n]) // the items are not to stay in memory
	if list = list[n:]; len(list) == 0 {
		delete(t.channels, channel)
	} else {
		t.channels[channel] = list
	}
	return last, true
}

// Unfinished is how many messages are tracked and not finished.
func (t *Tracker[T]) Unfinished() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.channels {
		for i := range list {
			if !list[i].done {
				n++
			}
		}
	}
	return n
}
