package pebble

import (
	"context"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// maxQueued is the largest number of bytes in the queue, or the size of a memtable if that
// is smaller. It also bounds a commit.
const maxQueued = 8 << 20

// requestBytes is the size of an entry in the queue besides its data.
const requestBytes = 256

// request is a request to the committer: to append entries, or to run a function in its
// order in the queue.
type request struct {
	// of an append
	entries []engine.Entry
	pins    []pins // one for each entry
	results []engine.Result

	// of anything else
	run func(*commit) error

	sync  bool // wants the fsync
	frees bool // may be written when space is short, because it makes space
	err   error
	// done receives one value: nil when the request is complete, or an error if that took
	// too long. In that case the request still belongs to the committer.
	done chan error

	one [1]pins // room for the pins of a single entry
}

// pins are the slots that an entry needs. The request holds them until it is complete.
type pins struct {
	channel *slot[channel]
	key     *slot[format.Keyed] // nil: the entry has no key
	memo    *slot[format.Memo]  // nil: its ID was not chosen
	forgets *slot[format.Memo]  // nil: it forgets no ID
}

func newRequest() any { return &request{done: make(chan error, 1)} }

func (rq *request) size() int {
	n := requestBytes * max(1, len(rq.entries))
	for i := range rq.entries {
		n += len(rq.entries[i].Data)
	}
	return n
}

func (e *Engine) free(rq *request) {
	*rq = request{done: rq.done}
	e.requests.Put(rq)
}

// submitLocked queues a request. It waits for room in the queue without the lock, until
// ctx is done.
func (e *Engine) submitLocked(ctx context.Context, rq *request) error {
	for e.mu.queued >= e.maxQueued && !e.mu.commit.stalled {
		if e.mu.room == nil {
			e.mu.room = make(chan struct{})
		}
		room := e.mu.room
		e.mu.Unlock()
		select {
		case <-room:
			e.mu.Lock()
		case <-ctx.Done():
			e.mu.Lock()
			return context.Cause(ctx)
		}
	}
	if err := e.stalledLocked(); err != nil {
		return err
	}
	e.mu.queue = append(e.mu.queue, rq)
	e.mu.queued += rq.size()
	if len(e.mu.queue) == 1 {
		e.work.Signal()
	}
	return nil
}

// do lets the committer run a function and waits for it. If the function uses the slot of
// a channel, which the caller has pinned, the request pins it, too.
func (e *Engine) do(ctx context.Context, sync, frees bool, s *slot[channel], run func(*commit) error) error {
	rq := e.requests.Get().(*request)
	rq.run, rq.sync, rq.frees = run, sync, frees
	e.mu.Lock()
	if s != nil {
		rq.one[0].channel = e.mu.channels.pinLocked(s.name)
		rq.pins = rq.one[:]
	}
	return e.await(ctx, rq)
}

// await queues a request and waits until it is complete. It is called with the mutex
// held, and unlocks it.
func (e *Engine) await(ctx context.Context, rq *request) error {
	err := e.submitLocked(ctx, rq)
	if err != nil {
		e.unpinLocked(rq)
		e.mu.Unlock()
		e.free(rq)
		return err
	}
	e.mu.Unlock()
	if err := <-rq.done; err != nil {
		return err
	}
	err = rq.err
	e.free(rq)
	return err
}

// take waits for requests and takes all of them. It returns nil when the engine stops.
func (e *Engine) take(reuse []*request) []*request {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.mu.queue) == 0 {
		if e.mu.stopping {
			return nil
		}
		e.work.Wait()
	}
	taken := e.mu.queue
	e.mu.queue, e.mu.queued = reuse[:0], 0
	e.makeRoomLocked()
	e.beganLocked(taken)
	return taken
}

// makeRoomLocked wakes callers that wait for room in the queue.
func (e *Engine) makeRoomLocked() {
	if e.mu.room != nil {
		close(e.mu.room)
		e.mu.room = nil
	}
}

// pinLocked pins the slots of a request and reports whether all of them are loaded.
func (e *Engine) pinLocked(rq *request) (loaded bool) {
	if len(rq.entries) == 1 {
		rq.pins = rq.one[:]
	} else {
		rq.pins = make([]pins, len(rq.entries))
	}
	loaded = true
	for i := range rq.entries {
		in, p := &rq.entries[i], &rq.pins[i]
		p.channel = e.mu.channels.pinLocked(in.Channel)
		loaded = loaded && p.channel.loaded
		if in.Revokes != 0 {
			loaded = false // so that load caches the message
			continue
		}
		if in.Key != "" {
			p.key = e.mu.keys.pinLocked(format.PairName(in.Channel, in.Key))
			loaded = loaded && p.key.loaded
		}
		if in.Idempotent {
			p.memo = e.mu.memos.pinLocked(format.PairName(in.Channel, in.ID))
			loaded = loaded && p.memo.loaded
		}
		if in.Forgets != "" {
			p.forgets = e.mu.memos.pinLocked(format.PairName(in.Channel, in.Forgets))
			loaded = loaded && p.forgets.loaded
		}
	}
	return loaded
}

func (e *Engine) unpinLocked(rq *request) {
	for i := range rq.pins {
		p := &rq.pins[i]
		e.mu.channels.unpinLocked(p.channel)
		if p.key != nil {
			e.mu.keys.unpinLocked(p.key)
		}
		if p.memo != nil {
			e.mu.memos.unpinLocked(p.memo)
		}
		if p.forgets != nil {
			e.mu.memos.unpinLocked(p.forgets)
		}
	}
}
