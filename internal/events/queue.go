package events

import (
	"sync"

	"github.com/wirepost/wirepost/internal/names"
)

// item is one thing that happened: a session began or ended, or a channel got its first
// connection or lost its last one on this node.
type item struct {
	kind       itemKind
	channel    string
	at         int64 // ms since the epoch
	user       string
	device     string
	connection names.ConnectionID
	since      int64
	code       int
	reason     string
}

type itemKind uint8

const (
	sessionConnected itemKind = iota
	sessionDisconnected
	channelEntered
	channelLeft
)

const (
	// maxQueued is how many items wait to be appended. More are not written, which is an
	// event itself.
	maxQueued = 64 << 10
	// keptQueue is the length of a queue whose memory is used again. A longer one is due to
	// a storm.
	keptQueue = 4 << 10
)

// queue holds what happened until it is appended. Add is safe for concurrent use; next and
// done are called by one goroutine.
type queue struct {
	wake chan struct{} // cap 1: there is something

	mu struct {
		sync.Mutex
		items   []item
		pending int // items, and those of taken that are not done
		loss
	}

	// taken are the items that were taken from the queue together, from the next one on. The
	// loss came after them.
	taken struct {
		items []item
		next  int
		loss
	}
}

// loss describes items that were not queued, because too many were.
type loss struct {
	lost   uint64
	missed bool // some of them were about the occupancy of channels
}

func (q *queue) add(it item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.pending >= maxQueued {
		q.mu.lost++
		q.mu.missed = q.mu.missed || it.kind == channelEntered || it.kind == channelLeft
		return
	}
	q.mu.items = append(q.mu.items, it)
	q.mu.pending++
	if len(q.mu.items) == 1 {
		poke(q.wake)
	}
}

// next returns the oldest items, at most most, and what was lost between them and the
// following ones. They are valid until done is called.
func (q *queue) next(most int) (items []item, after loss) {
	t := &q.taken
	if t.next == len(t.items) {
		q.take()
	}
	items = t.items[t.next:min(len(t.items), t.next+most)]
	if t.next += len(items); t.next == len(t.items) {
		after = t.loss
	}
	return items, after
}

// take takes everything from the queue, in exchange for the memory of what was taken before.
func (q *queue) take() {
	spare := q.taken.items[:0]
	if cap(spare) > keptQueue {
		spare = nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken.items, q.taken.next, q.taken.loss = q.mu.items, 0, q.mu.loss
	q.mu.items, q.mu.loss = spare, loss{}
}

// done says that the items which next has returned are appended, or will never be.
func (q *queue) done(items []item) {
	clear(items)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.pending -= len(items)
	if q.taken.next < len(q.taken.items) || len(q.mu.items) > 0 {
		poke(q.wake)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
