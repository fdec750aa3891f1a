// Package propose puts the changes of a node into batches, and proposes each to the log of
// a shard until it is seen there.
//
// A change comes in as a Call (Start). Run takes what has queued as one batch, proposes it,
// and waits until the replica of this node, which follows the log, has met it there and
// completes the calls in it (Complete). Only then comes the next batch, so a shard has one
// in flight.
package propose

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// Proposer proposes to one shard of the log. All methods are safe for concurrent use.
type Proposer struct {
	o        Options
	work     chan struct{} // cap 1: there is something to propose
	outdated chan struct{} // cap 1: the batch in flight has to be encoded again

	mu     sync.Mutex
	closed bool

	queue  []*Call
	queued int           // bytes in it
	room   chan struct{} // closed when the queue was taken; nil: nothing waits
	taken  int           // calls in the last batch
	waited int           // calls that waited when that was seen
	wanted int           // calls for which gather waits; 0: it does not

	proposer batch.Proposer
	counter  uint64        // of the last batch that was proposed
	flight   []*Call       // the calls in it, until it was seen in the log
	pending  pending       // what is in it
	seen     chan struct{} // closed when it was seen

	applied  Applied       // by the replica of this node
	applying bool          // it applies the next batch
	gate     chan struct{} // closed while proposals may be made
	refusal  error         // why the replica takes no changes; nil: it does
	proof    uint64        // the counter of the batch that has to be seen until the replica is known to be current; 0: none

	moved       time.Time // when the last batch was applied
	reached     time.Time // when the log last took a proposal, or had a batch
	asked       time.Time // when the first proposal was made since one was taken; zero: none
	broken      error     // the last proposal failed; nil: not so
	unreachable bool      // none was taken for too long
	isolated    bool
}

// Options configures a Proposer. No function may block or call it.
type Options struct {
	Shard      int
	Epoch      string // of the cluster
	Log        replog.Log
	Logger     *slog.Logger
	Patience   time.Duration // how long a call waits for room in the queue
	TickEvery  time.Duration // the time without a batch after which one without changes is proposed
	MaxEntries int           // in a batch of several calls; 0: any number
	Loose      bool          // the log may lose entries, so batches do not say after which they were made
	// Report returns what this node has to report with the next batch; nil: nothing.
	Report func() *batch.Report
	// Recheck has the replica check the log again, because that may have gone on without
	// this node, and lost something. Nothing is proposed until Open.
	Recheck func()
	// Changed is called when Outage or Current changes.
	Changed func()
	// Resumed is called when the log takes a proposal although this node was isolated, or
	// the log unreachable.
	Resumed func()
}

// Applied is what a replica has applied, as the last batch left it.
type Applied struct {
	Position   uint64
	History    uint64 // up to there, see note.Extend
	Generation uint64
	Members    []note.Member // is not changed
}

// New returns a proposer. It proposes nothing before Open.
func New(o Options, applied Applied) *Proposer {
	return &Proposer{
		o: o, work: make(chan struct{}, 1), outdated: make(chan struct{}, 1), gate: make(chan struct{}),
		proposer: batch.NewProposer(), applied: applied, moved: time.Now(), reached: time.Now(),
	}
}

// Close fails all calls, now and later. What was proposed may still be made.
func (p *Proposer) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.failLocked(engine.ErrClosed)
}

// Run proposes what is queued, one batch at a time, until ctx is done.
func (p *Proposer) Run(ctx context.Context) {
	tick := time.NewTimer(p.untilTick())
	defer tick.Stop()
	for p.admitted(ctx) {
		began := time.Now()
		if p.take() {
			p.propose(ctx)
			p.gather(ctx, time.Since(began))
			continue
		}
		select {
		case <-p.work:
		case <-tick.C:
			tick.Reset(p.untilTick())
			if p.tick() {
				p.propose(ctx)
			}
		case <-ctx.Done():
		}
	}
}

// Poke has the proposer look for something to propose, for example a report.
func (p *Proposer) Poke() {
	select {
	case p.work <- struct{}{}:
	default:
	}
}

// admitted waits until proposals may be made, and returns false when ctx is done.
func (p *Proposer) admitted(ctx context.Context) bool {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (p *Proposer) openLocked() bool {
	select {
	case <-p.gate:
		return true
	default:
		return false
	}
}

func (p *Proposer) shutLocked() {
	if p.openLocked() {
		p.gate = make(chan struct{})
	}
}

// untilTick is when a tick may be due, later by a random time: the nodes have applied the
// last batch at almost the same time, and the first tick makes those of the others
// unnecessary if it reaches them before they propose.
func (p *Proposer) untilTick() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := time.Until(p.moved.Add(p.o.TickEvery))
	return max(due, p.o.TickEvery/10) + rand.N(p.o.TickEvery/4+1)
}
