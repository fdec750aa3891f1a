package peers

import (
	"encoding/binary"
	"errors"
)

// receive processes an announcement.
func (p *Peers) receive(data []byte) []byte {
	a, err := decode(data)
	if err == nil && a.node != p.self.name {
		err = p.process(&a)
	}
	if err != nil {
		p.config.Logger.Warn("a message of another node is ignored", "node", a.node, "error", err)
	}
	return nil
}

func (p *Peers) process(a *announcement) error {
	p.receiving.Lock()
	defer p.receiving.Unlock()
	n := p.nodeLocked(a.node)
	if n == nil {
		return errors.New("there are too many nodes")
	}
	if a.kind == kindGone {
		if a.run == n.run {
			p.dropLocked(n, true)
		}
		return nil
	}
	if a.run != n.run {
		p.dropLocked(n, true)
		n.run = a.run
	}
	n.heard.Store(p.now())
	switch a.kind {
	case kindHello:
		p.later(func() { p.mu.resend = ^uint64(0) })
		poke(p.greet)
	case kindCounts:
		return a.rest.counts(func(channel string, count uint32) { p.setLocked(n, channel, count) })
	case kindBucket:
		return p.processBucket(n, &a.rest)
	case kindBeat:
		return p.processBeat(n, &a.rest)
	}
	return nil // of a later version
}

func (p *Peers) processBucket(n *node, rest *reader) error {
	i := int(rest.byte())
	counts := map[string]uint32{}
	err := rest.counts(func(channel string, count uint32) {
		if int(hash(channel)%buckets) == i {
			counts[channel] = count
		}
	})
	if err != nil || rest.bad || i >= buckets {
		return errMalformed
	}
	p.replaceLocked(n, i, counts, false)
	return nil
}

// processBeat compares the sums of a node, and asks it for the buckets that differ.
func (p *Peers) processBeat(n *node, rest *reader) error {
	var missed uint64
	for i := range p.table {
		sum := rest.bytes(8)
		if sum == nil {
			return errMalformed
		}
		p.table[i].mu.Lock()
		if n.sums[i] != binary.BigEndian.Uint64(sum) {
			missed |= 1 << i
		}
		p.table[i].mu.Unlock()
	}
	if missed != 0 {
		p.later(func() { p.mu.wanted[n] |= missed })
	}
	return nil
}

// later does work that announce does.
func (p *Peers) later(add func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add()
	poke(p.wake)
}

// asked processes a message to this node alone.
func (p *Peers) asked(data []byte) []byte {
	in := reader{data: data}
	switch kind := in.byte(); {
	case kind == kindQuestion && p.config.Answer != nil:
		return p.config.Answer(in.data)
	case kind == kindResend && len(in.data) == 8:
		mask := binary.BigEndian.Uint64(in.data)
		p.later(func() { p.mu.resend |= mask })
	}
	return nil
}
