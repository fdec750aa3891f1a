package client

import (
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

const (
	// Handled messages are acknowledged after ackDelay, or when they come to half of
	// the server's usual window, whichever comes first.
	ackDelay = 100 * time.Millisecond
	ackCount = 128
	ackBytes = 512 << 10
)

// ackBatch is what was handled since the last acknowledgement was sent. One per
// channel is enough, because it includes everything before it.
type ackBatch struct {
	timer     *time.Timer
	positions []*position
	count     int
	bytes     int
}

// ack is Message.Ack.
func (c *Client) ack(m *Message) error {
	return c.acknowledge(m.Channel, m.Seq, m.epoch, m.weight())
}

// acknowledge stores that everything in a channel up to a sequence was handled, and
// then has it sent to the server. The store comes first: a message that the server
// does not send again must be known here.
func (c *Client) acknowledge(channel string, seq uint64, epoch string, weight int) error {
	if !c.isNew(channel, seq, epoch) {
		return nil
	}
	if err := c.opts.Store.Advance(epoch, channel, seq); err != nil {
		return &storeError{err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.mu.positions.byChannel[channel]
	if c.mu.positions.kept.Epoch != epoch || p == nil || seq <= p.handled {
		return nil // another call came first
	}
	p.handled = seq
	c.ackLocked(p, weight)
	return nil
}

// isNew reports whether an acknowledgement changes anything. It does not when the
// message is from a store that the server no longer has.
func (c *Client) isNew(channel string, seq uint64, epoch string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.mu.positions.byChannel[channel]
	return c.mu.positions.kept.Epoch == epoch && p != nil && seq > p.handled
}

func (c *Client) isAcked(m *Message) bool { return !c.isNew(m.Channel, m.Seq, m.epoch) }

// yielded records a message that the program is to acknowledge by itself.
func (c *Client) yielded(m *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.mu.positions.byChannel[m.Channel]; p != nil && c.mu.positions.kept.Epoch == m.epoch {
		p.yielded = max(p.yielded, m.Seq)
	}
}

// acknowledgeRevocation acknowledges a revocation, unless that would include messages
// that the program has not acknowledged.
func (c *Client) acknowledgeRevocation(r *revocation) error {
	c.mu.Lock()
	p := c.mu.positions.byChannel[r.Channel]
	open := p == nil || p.yielded > p.handled
	c.mu.Unlock()
	if open {
		return nil
	}
	return c.acknowledge(r.Channel, r.Seq, r.epoch, 0)
}

// ackLocked has a position's handled sequence sent soon.
func (c *Client) ackLocked(p *position, weight int) {
	b := &c.mu.acks
	if !p.unsent {
		p.unsent = true
		b.positions = append(b.positions, p)
	}
	b.count++
	b.bytes += weight
	switch {
	case b.count >= ackCount || b.bytes >= ackBytes:
		c.flushAcksLocked()
	case b.count == 1:
		b.timer.Reset(ackDelay)
	}
}

// flushAcks sends the acknowledgements that wait.
func (c *Client) flushAcks() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushAcksLocked()
}

// flushAcksLocked leaves those that cannot be sent for the next time, or for the next
// connection if there is none.
func (c *Client) flushAcksLocked() {
	b, l := &c.mu.acks, c.mu.link
	if l == nil || !l.greeted || len(b.positions) == 0 {
		return
	}
	b.timer.Stop()
	b.count, b.bytes = 0, 0
	rest := b.positions[:0]
	for _, p := range b.positions {
		if p.handled > 0 && !l.conn.TryWrite(wire.AppendAck(nil, p.channel, p.handled)) {
			rest = append(rest, p)
			continue
		}
		p.unsent = false
	}
	clear(b.positions[len(rest):])
	if b.positions = rest; len(rest) > 0 {
		b.count = 1
		b.timer.Reset(ackDelay)
	}
}
