package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

const (
	// maxBatch is the most bytes of changes in a batch, unless one change has more.
	maxBatch = 512 << 10
	// maxQueued is the most bytes of changes that wait for a shard.
	maxQueued = 8 << 20
	// proposeTimeout limits one proposal. It is repeated then.
	proposeTimeout = 5 * time.Second
	// proposePause is the pause after a proposal that failed.
	proposePause = 100 * time.Millisecond
)

// call is the changes of one call in one shard.
type call struct {
	data    []byte // the changes, encoded
	entries int    // in them
	alone   bool   // in a batch of its own
	sweep   bool   // asks for a sweep

	done    chan struct{} // closed when it is complete
	results []engine.Result
	err     error
}

func newCall() *call { return &call{done: make(chan struct{})} }

func (c *call) end(results []engine.Result, err error) {
	c.results, c.err = results, err
	close(c.done)
}

// wait waits until a call is complete. A call that waits longer than the engine's patience
// is given up, but may still be made.
func (c *call) wait(ctx context.Context, e *Engine) ([]engine.Result, error) {
	timer := time.NewTimer(e.patience)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.results, c.err
	case <-timer.C:
		return nil, fmt.Errorf("%w: the log of the cluster does not answer", engine.ErrStalled)
	case <-e.ctx.Done():
		return nil, context.Cause(e.ctx)
	}
}

// shard is one shard of the log: what this node proposes to it, and what it applies.
type shard struct {
	e       *Engine
	number  int
	replica engine.Replica
	memory  *memory.Replica // the replica, if the shard is that of memory-only channels

	mu      sync.Mutex
	queue   []*call
	queued  int           // bytes in it
	room    chan struct{} // closed when the queue was taken; nil: nothing waits
	counter uint64        // of the last batch that was proposed
	flight  []*call       // the calls in it, until it was seen in the log
	seen    chan struct{} // closed when it was seen
	broken  error         // the last proposal failed; nil: not so
	stopped error         // the replica cannot go on; nil: it can
	behind  bool          // the replica has not caught up with the log yet
	moved   time.Time     // when the last batch was applied
	at      uint64        // the position of the replica
	ahead   lag

	work chan struct{} // cap 1: the queue is not empty

	note note // owned by follow
}

func newShard(e *Engine, number int, r engine.Replica) (*shard, error) {
	at, _, data := r.Applied(number)
	known, err := decodeNote(data)
	if err != nil {
		return nil, err
	}
	return &shard{
		e: e, number: number, replica: r, work: make(chan struct{}, 1),
		at: at, behind: true, note: known, moved: time.Now(),
	}, nil
}

// ready returns why the shard takes no changes now, or nil.
func (s *shard) ready() error {
	state, err := s.state()
	switch {
	case err == nil:
		return nil
	case state == engine.NodeStopped:
		return fmt.Errorf("%w: shard %d: %w", engine.ErrFailed, s.number, err)
	}
	return fmt.Errorf("%w: shard %d: %w", engine.ErrUnavailable, s.number, err)
}

// state returns what the shard does, and why it is not ready.
func (s *shard) state() (engine.NodeState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped != nil:
		return engine.NodeStopped, s.stopped
	case s.broken != nil:
		return engine.NodeIsolated, s.broken
	case s.behind:
		return engine.NodeCatchingUp, errors.New("it is catching up with the log")
	}
	return engine.NodeReady, nil
}

// start queues a call, and waits for room in the queue.
func (s *shard) start(ctx context.Context, c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.queued >= maxQueued && s.stopped == nil {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-s.e.ctx.Done():
			err = context.Cause(s.e.ctx)
		}
		s.mu.Lock()
		if err != nil {
			c.end(nil, err)
			return
		}
	}
	switch {
	case ctx.Err() != nil:
		c.end(nil, context.Cause(ctx))
		return
	case s.e.ctx.Err() != nil:
		c.end(nil, context.Cause(s.e.ctx))
		return
	case s.stopped != nil:
		c.end(nil, fmt.Errorf("%w: shard %d: %w", engine.ErrFailed, s.number, s.stopped))
		return
	}
	s.queue = append(s.queue, c)
	s.queued += len(c.data)
	s.poke()
}

func (s *shard) poke() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// take makes the next batch of what is queued. Nil means that there is nothing.
func (s *shard) take() (data []byte, seen chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size, entries := 0, 0, 0
	for n < len(s.queue) {
		c := s.queue[n]
		if n > 0 && (c.alone || s.queue[n-1].alone || size+len(c.data) > maxBatch || s.memory != nil && entries+c.entries > memory.MaxEntries) {
			break
		}
		size += len(c.data)
		entries += c.entries
		n++
	}
	if n == 0 {
		return nil, nil
	}
	s.flight = append([]*call(nil), s.queue[:n]...)
	s.queue = append(s.queue[:0], s.queue[n:]...)
	s.queued -= size
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	changes, sweep := make([][]byte, n), false
	for i, c := range s.flight {
		changes[i] = c.data
		sweep = sweep || c.sweep
	}
	return s.nextLocked(size, sweep, changes...)
}

// nextLocked encodes the next batch.
func (s *shard) nextLocked(size int, sweep bool, changes ...[]byte) (data []byte, seen chan struct{}) {
	s.counter++
	s.seen = make(chan struct{})
	b := batch{proposer: s.e.proposer, counter: s.counter, sweep: sweep}
	return b.append(make([]byte, 0, size+64), changes...), s.seen
}

// proposeAll proposes what is queued, one batch at a time, until the engine is closed.
func (s *shard) proposeAll() {
	tick := time.NewTimer(s.untilTick())
	defer tick.Stop()
	for {
		data, seen := s.take()
		if data == nil {
			select {
			case <-s.work:
				continue
			case <-tick.C:
				tick.Reset(s.untilTick())
				if data, seen = s.tick(); data == nil {
					continue
				}
			case <-s.e.ctx.Done():
				s.end(context.Cause(s.e.ctx))
				return
			}
		}
		if err := s.propose(data, seen); err != nil {
			s.end(err)
			return
		}
	}
}

// propose proposes a batch until it was seen in the log.
func (s *shard) propose(data []byte, seen chan struct{}) error {
	for {
		ctx, cancel := context.WithTimeout(s.e.ctx, proposeTimeout)
		err := s.e.log.Propose(ctx, s.number, data)
		cancel()
		s.setBroken(err)
		again := (<-chan time.Time)(nil) // it is in the log, and only has to be applied
		if err != nil {
			again = time.After(proposePause)
		}
		select {
		case <-seen:
			return nil
		case <-again:
		case <-s.e.ctx.Done():
			return context.Cause(s.e.ctx)
		}
	}
}

func (s *shard) setBroken(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.broken == nil && s.e.ctx.Err() == nil {
		s.e.logger.Warn("the log of the cluster takes no changes", "shard", s.number, "error", err)
	}
	if (err == nil) != (s.broken == nil) {
		s.e.poke()
	}
	s.broken = err
}

// untilTick is when a tick is due at the earliest, later at every node by another time, so
// that one of them is usually the first.
func (s *shard) untilTick() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(time.Until(s.moved.Add(s.e.tickEvery)), s.e.tickEvery/10)
}

// tick makes a batch without changes, if the shard has had none for a while.
func (s *shard) tick() (data []byte, seen chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind || s.stopped != nil || time.Since(s.moved) < s.e.tickEvery {
		return nil, nil
	}
	return s.nextLocked(0, true)
}

// end completes all calls with an error.
func (s *shard) end(err error) {
	if !errors.Is(err, engine.ErrClosed) {
		err = fmt.Errorf("%w: shard %d: %w", engine.ErrFailed, s.number, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range append(s.flight, s.queue...) {
		c.end(nil, err)
	}
	s.flight, s.queue, s.queued = nil, nil, 0
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}
