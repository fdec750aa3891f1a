package propose

import (
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
)

// pending is the content of the batch in flight.
type pending struct {
	level   int
	sweep   bool
	forget  string
	report  *batch.Report
	changes [][]byte
	size    int
}

// take makes the next batch of what is queued, or to be reported, if there is something.
func (p *Proposer) take() bool {
	report := p.o.Report()
	p.mu.Lock()
	defer p.mu.Unlock()
	calls, size := p.takeLocked()
	if calls == nil && report == nil {
		return false
	}
	next := pending{level: 1, report: report, changes: make([][]byte, len(calls)), size: size}
	for i, c := range calls {
		next.changes[i] = c.Data
		next.sweep = next.sweep || c.Sweep
		next.level = max(next.level, c.Level)
		next.forget = c.Forget
	}
	p.flight = calls
	p.nextLocked(next)
	return true
}

// tick makes a batch without changes, if the shard has had none for a while.
func (p *Proposer) tick() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.openLocked() || time.Since(p.moved) < p.o.TickEvery {
		return false
	}
	p.nextLocked(pending{level: 1, sweep: true})
	return true
}

func (p *Proposer) nextLocked(next pending) {
	p.counter++
	p.pending = next
	p.seen = make(chan struct{})
}

// encode encodes the batch in flight.
func (p *Proposer) encode() (data []byte, seen <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := &p.pending
	b := batch.Batch{
		Level: in.level, Epoch: p.o.Epoch, Generation: p.applied.Generation, Proposer: p.proposer, Counter: p.counter,
		Base: p.applied.Position, History: p.applied.History, Sweep: in.sweep, Report: in.report, Forget: in.forget,
	}
	if p.o.Loose {
		b.Base, b.History = 0, 0
	}
	return b.Append(make([]byte, 0, in.size+256), in.changes...), p.seen
}
