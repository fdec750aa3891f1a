package propose

import (
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
)

// What the replica of this node, which follows the log, says to the proposer.

// Follow says that the replica has begun to follow the log. What the log says about its end
// may be old: that of a leader that was elected just now, for example, or of one in this
// process that has not noticed yet that it is alone. So it does not show that the log is in
// reach, and only a batch that is proposed from now on is after all that was acknowledged
// before, see Current.
func (p *Proposer) Follow(a Applied) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal, p.applying = nil, false
	p.applied = a
	p.proof = p.counter + 1
	p.shutLocked()
}

// Open allows proposals: the replica has applied what was in the log when it began to follow
// it. Before that it does not know whether it agrees with the log.
func (p *Proposer) Open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.openLocked() {
		close(p.gate)
	}
	p.Poke()
}

// Refuse fails all calls, now and until Follow, because the replica has stopped.
func (p *Proposer) Refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = err
	p.asked, p.unreachable = time.Time{}, false
	p.shutLocked()
	p.failLocked(err)
}

// Owns reports whether a batch was proposed here.
func (p *Proposer) Owns(b *batch.Batch) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return b.Proposer == p.proposer
}

// Complete completes the calls of a batch that was seen in the log. One that was made before
// the log was repaired is made again.
func (p *Proposer) Complete(b *batch.Batch, v note.Verdict, results []engine.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.Proposer != p.proposer || b.Counter != p.counter || p.seen == nil || v == note.Repeated {
		return
	}
	if v == note.Outdated {
		select {
		case p.outdated <- struct{}{}:
		default:
		}
		return
	}
	for _, c := range p.flight {
		c.end(results[:c.Entries:c.Entries], nil)
		results = results[c.Entries:]
	}
	p.flight, p.waited, p.asked = nil, len(p.queue), time.Time{}
	close(p.seen)
	p.seen = nil
	if p.proof > 0 && b.Counter >= p.proof {
		p.proof = 0
		p.o.Changed()
	}
}

// Arrive says that an entry of the log has arrived, and is being applied.
func (p *Proposer) Arrive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applying, p.reached = true, time.Now()
}

// Advance says what the replica has applied.
func (p *Proposer) Advance(a Applied) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.applied, p.applying, p.moved, p.reached = a, false, now, now
}

// InFlight reports whether a batch was made and not yet seen in the log.
func (p *Proposer) InFlight() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen != nil
}

// Current reports whether the replica has everything that was acknowledged before it began
// to follow the log.
func (p *Proposer) Current() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proof == 0
}
