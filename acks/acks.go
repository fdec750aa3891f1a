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

// Tracker tracks messages given to workers. The zero value is ready, and all methods
// are safe for concurrent use. It holds the messages of each channel from the oldest
// unfinished one on: limit them by the client's window, or by the workers' queue.
type Tracker[T any] struct {
	mu       sync.Mutex
	channels map[string][]entry[T] // in order, from the oldest unfinished one on
}

type entry[T any] struct {
	seq  uint64
	item T
	done bool
}

// Add tracks a message before it is given to a worker. The sequences of a channel must
// be added in increasing order; a lower one means that the channel began anew, in an
// emptied store, and its tracked messages are forgotten.
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

// Done marks a message as finished. If that moves the low-water mark of its channel,
// Done returns the item of the last message up to which all are finished, for the
// program to acknowledge. A message that is not tracked moves nothing.
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
	clear(list[:n]) // release the items
	if list = list[n:]; len(list) == 0 {
		delete(t.channels, channel)
	} else {
		t.channels[channel] = list
	}
	return last, true
}

// Unfinished is the number of tracked messages that are not finished.
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
