package propose

import (
	"context"
	"time"
)

const (
	// gatherPart is the part of the time that a batch took for which gather waits at most,
	// and maxGather the longest such time.
	gatherPart = 3
	maxGather  = 10 * time.Millisecond
)

// gather waits after a batch until as many calls have come again as were in it, besides those
// that waited already. Callers usually wait for their result before they call again.
// Without this, the first of them would be a batch of its own, or calls would form two groups
// that take turns: twice as many batches, each of which costs the servers of the log the same.
// A call that is alone does not wait.
func (p *Proposer) gather(ctx context.Context, took time.Duration) {
	p.mu.Lock()
	calls, wait := p.waited+p.taken, min(took/gatherPart, maxGather)
	if wait == 0 || calls < 2 || len(p.queue) >= calls || p.queued >= maxBatch {
		p.mu.Unlock()
		return
	}
	p.wanted = calls
	select {
	case <-p.work: // for what is in the queue
	default:
	}
	p.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.work:
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	p.wanted = 0
	p.mu.Unlock()
}
