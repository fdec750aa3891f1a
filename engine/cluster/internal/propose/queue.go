package propose

import (
	"context"
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

// Start queues a call, and waits for room in the queue. The call is complete when Wait
// returns, also if it was refused.
func (p *Proposer) Start(ctx context.Context, c *Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	patience := time.NewTimer(p.o.Patience)
	defer patience.Stop()
	for p.fullLocked() && p.refusalLocked(ctx, c) == nil {
		if p.room == nil {
			p.room = make(chan struct{})
		}
		room := p.room
		p.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-ctx.Done():
		case <-patience.C:
			err = fmt.Errorf("%w: too many changes wait", engine.ErrLogStalled)
		}
		p.mu.Lock()
		if err != nil {
			c.end(nil, err)
			return
		}
	}
	if err := p.refusalLocked(ctx, c); err != nil {
		c.end(nil, err)
		return
	}
	p.queue = append(p.queue, c)
	p.queued += len(c.Data)
	if len(p.queue) >= p.wanted || p.queued >= maxBatch {
		p.Poke()
	}
}

func (p *Proposer) fullLocked() bool { return p.queued >= maxQueued || len(p.queue) >= maxCalls }

// refusalLocked returns why a call is not queued, or nil.
func (p *Proposer) refusalLocked(ctx context.Context, c *Call) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.closed:
		return engine.ErrClosed
	case p.refusal != nil:
		return p.refusal
	}
	if err := p.outageLocked(); err != nil {
		return p.isolation(err)
	}
	return p.allowLocked(c.Level)
}

// Allows reports whether all members know the operations of a level.
func (p *Proposer) Allows(level int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.allowLocked(level) == nil
}

// allowLocked returns an error if some member does not know the operations of a level yet.
func (p *Proposer) allowLocked(level int) error {
	for i := range p.applied.Members {
		if m := &p.applied.Members[i]; m.Level < level {
			return fmt.Errorf("%w: an operation of level %d has to wait until node %s, which has level %d, is upgraded",
				engine.ErrNotUpgraded, level, m.Node, m.Level)
		}
	}
	return nil
}

// isolation is the error of calls during an outage of the log.
func (p *Proposer) isolation(outage error) error {
	return fmt.Errorf("%w: shard %d: %w", engine.ErrIsolated, p.o.Shard, outage)
}

// failLocked completes all calls with an error. What was proposed may still be made.
func (p *Proposer) failLocked(err error) {
	for _, c := range p.flight {
		c.end(nil, err)
	}
	for _, c := range p.queue {
		c.end(nil, err)
	}
	clear(p.queue)
	p.flight, p.queue, p.queued = nil, p.queue[:0], 0
	p.roomLocked()
}

// roomLocked wakes the calls that wait for room in the queue.
func (p *Proposer) roomLocked() {
	if p.room != nil {
		close(p.room)
		p.room = nil
	}
}

// takeLocked takes the next calls from the queue, as many as a batch may have.
func (p *Proposer) takeLocked() (calls []*Call, size int) {
	n, entries := 0, 0
	for n < len(p.queue) {
		c := p.queue[n]
		if n > 0 && (c.Alone || p.queue[n-1].Alone || size+len(c.Data) > maxBatch || p.o.MaxEntries > 0 && entries+c.Entries > p.o.MaxEntries) {
			break
		}
		size += len(c.Data)
		entries += c.Entries
		n++
	}
	p.taken = n
	if n == 0 {
		return nil, 0
	}
	calls = append([]*Call(nil), p.queue[:n]...)
	rest := copy(p.queue, p.queue[n:])
	clear(p.queue[rest:])
	p.queue = p.queue[:rest]
	p.queued -= size
	p.roomLocked()
	return calls, size
}
