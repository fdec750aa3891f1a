package propose

import (
	"errors"
	"time"
)

var (
	errIsolated    = errors.New("this node reaches neither the log of the cluster nor the other nodes")
	errUnreachable = errors.New("the log of the cluster takes no changes")
)

// Silence returns how long the log has been silent although something was proposed, and how
// long it has taken no proposal.
func (p *Proposer) Silence(now time.Time) (silence, waiting time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked.IsZero() {
		return 0, 0
	}
	waiting = now.Sub(p.asked)
	return min(waiting, now.Sub(p.reached)), waiting
}

// SetIsolated says whether this node is isolated. All calls fail then, now and later.
func (p *Proposer) SetIsolated(isolated bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isolated = isolated
	if isolated {
		p.failLocked(p.isolation(errIsolated))
	}
}

// SetUnreachable says whether the log has taken no proposal for too long. All calls fail
// then, now and later.
func (p *Proposer) SetUnreachable(unreachable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if unreachable == p.unreachable {
		return
	}
	p.unreachable = unreachable
	if unreachable {
		p.failLocked(p.isolation(errUnreachable))
	}
	p.o.Changed()
}

// Outage returns why changes are refused because of the log, or nil.
func (p *Proposer) Outage() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outageLocked()
}

// CutOff returns how long the log has not responded, if this node is isolated, and else 0.
func (p *Proposer) CutOff(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isolated {
		return 0
	}
	return now.Sub(p.reached)
}

func (p *Proposer) outageLocked() error {
	switch {
	case p.isolated:
		return errIsolated
	case p.unreachable:
		return errUnreachable
	}
	return nil
}
