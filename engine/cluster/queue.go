package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// maxBatch is the most bytes of changes in a batch, unless one change has more.
	maxBatch = 512 << 10
	// maxQueued is the most bytes of changes that wait for a shard, and maxCalls the most
	// calls.
	maxQueued = 8 << 20
	maxCalls  = 64 << 10
)

// call is the changes of one call in one shard.
type call struct {
	data    []byte // the changes, encoded
	entries int    // in them
	level   int    // of the operations in them
	alone   bool   // in a batch of its own
	sweep   bool   // asks for a sweep
	forget  string // the member to forget; alone

	done    chan struct{} // closed when it is complete
	results []engine.Result
	err     error
}

func newCall() *call { return &call{level: 1, done: make(chan struct{})} }

func (c *call) end(results []engine.Result, err error) {
	c.results, c.err = results, err
	close(c.done)
}

// wait waits until a call is complete. A call that waits longer than the engine's patience
// is given up, but may still be made.
func (c *call) wait(e *Engine) ([]engine.Result, error) {
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

// start queues a call, and waits for room in the queue.
func (s *shard) start(ctx context.Context, c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	patience := time.NewTimer(s.e.patience)
	defer patience.Stop()
	for s.fullLocked() && s.refusalLocked(ctx, c) == nil {
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-ctx.Done():
		case <-s.e.ctx.Done():
		case <-patience.C:
			err = fmt.Errorf("%w: too many changes wait for the log of the cluster", engine.ErrStalled)
		}
		s.mu.Lock()
		if err != nil {
			c.end(nil, err)
			return
		}
	}
	if err := s.refusalLocked(ctx, c); err != nil {
		c.end(nil, err)
		return
	}
	s.queue = append(s.queue, c)
	s.queued += len(c.data)
	s.poke()
}

func (s *shard) fullLocked() bool { return s.queued >= maxQueued || len(s.queue) >= maxCalls }

// refusalLocked returns why a call is not queued, or nil.
func (s *shard) refusalLocked(ctx context.Context, c *call) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.e.ctx.Err() != nil:
		return context.Cause(s.e.ctx)
	case s.stopped != nil:
		return fmt.Errorf("%w: shard %d: %w", engine.ErrFailed, s.number, s.stopped)
	case s.paused != nil:
		return fmt.Errorf("%w: shard %d: %w", engine.ErrUnavailable, s.number, s.paused)
	}
	if err := s.refusesLocked(); err != nil {
		return fmt.Errorf("%w: shard %d: %w", engine.ErrUnavailable, s.number, err)
	}
	return s.allowLocked(c.level)
}

func (s *shard) poke() {
	select {
	case s.work <- struct{}{}:
	default:
	}
}

// end completes all calls with an error. What was proposed may still be made.
func (s *shard) end(err error) {
	kind := engine.ErrUnavailable
	if errors.As(err, new(*stopError)) {
		kind = engine.ErrFailed
	}
	if !errors.Is(err, engine.ErrClosed) {
		err = fmt.Errorf("%w: shard %d: %w", kind, s.number, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.flight {
		c.end(nil, err)
	}
	for _, c := range s.queue {
		c.end(nil, err)
	}
	clear(s.queue)
	s.flight, s.queue, s.queued = nil, s.queue[:0], 0
	s.roomLocked()
}

func (s *shard) roomLocked() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}
