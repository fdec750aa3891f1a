package propose

import (
	"context"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

const (
	// proposePause is the pause after a proposal that failed.
	proposePause = 100 * time.Millisecond
	// doubtAfter is how long proposals may fail before the log has to be checked again.
	doubtAfter = 2 * time.Second
	// seenAfter is how long a batch that is in the log may take until it is seen there.
	seenAfter = time.Second
	// proposeFor is how long a batch is proposed again. It is much less than the time for
	// which a note remembers a proposer, so that the batch is not applied twice.
	proposeFor = time.Hour
)

// propose proposes the batch in flight until it was seen in the log, or ctx is done.
func (p *Proposer) propose(ctx context.Context) {
	began := time.Now()
	data, seen := p.encode()
	var err error
	for again := true; p.admitted(ctx); {
		if time.Since(began) > proposeFor {
			p.abandon()
			return
		}
		if again {
			err = p.attempt(ctx, data)
		}
		wait := seenAfter
		if err != nil {
			wait = proposePause
		}
		timer := time.NewTimer(wait)
		select {
		case <-seen:
			timer.Stop()
			return
		case <-p.outdated:
			data, seen = p.encode()
			again = true
		case <-timer.C:
			again = err != nil || p.missed()
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// attempt makes one proposal of the batch in flight.
func (p *Proposer) attempt(ctx context.Context, data []byte) error {
	p.ask()
	limited, cancel := context.WithTimeout(ctx, replog.Timeout)
	err := p.o.Log.Propose(limited, p.o.Shard, data)
	cancel()
	if p.proposed(err, ctx.Err() != nil) {
		p.o.Recheck()
	}
	return err
}

// ask records that a proposal is being made.
func (p *Proposer) ask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.askLocked()
}

func (p *Proposer) askLocked() {
	if p.asked.IsZero() {
		p.asked = time.Now()
	}
}

// proposed records the outcome of an attempt. It reports whether the log has to be checked
// again.
func (p *Proposer) proposed(err error, closing bool) (doubt bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.broken == nil && !closing {
		p.o.Logger.Warn("the log of the cluster takes no changes", "shard", p.o.Shard, "error", err)
	}
	p.broken = err
	switch {
	case err == nil:
		p.asked, p.reached = time.Time{}, time.Now()
		if p.outageLocked() != nil {
			p.o.Resumed()
		}
	case time.Since(p.asked) >= doubtAfter && p.refusal == nil:
		p.shutLocked()
		return true
	}
	return false
}

// missed reports whether a batch that was acknowledged, and not seen since, has to be proposed
// again. If nothing has arrived for as long, the log is checked again before. While the replica
// applies a batch, this one may follow: a node whose disk is slow would otherwise fill the log
// with repetitions, each of which it has to apply as well.
func (p *Proposer) missed() bool {
	p.mu.Lock()
	if p.applying {
		p.mu.Unlock()
		return false
	}
	doubt := p.openLocked() && time.Since(p.moved) >= seenAfter
	if doubt {
		p.askLocked() // until it was taken again, or seen
		p.shutLocked()
	}
	p.mu.Unlock()
	if doubt {
		p.o.Recheck()
	}
	return true
}

// abandon gives up the batch in flight. It may still be in the log, so the next one is of
// another proposer.
func (p *Proposer) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.flight {
		c.end(nil, fmt.Errorf("%w: no answer for %s", engine.ErrLogStalled, proposeFor))
	}
	p.flight, p.pending, p.seen = nil, pending{}, nil
	p.proposer, p.counter, p.proof = batch.NewProposer(), 0, min(p.proof, 1)
}
