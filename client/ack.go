package client

import (
	"time"

	"github.com/wirepost/wirepost/internal/wire"
)

const (
	// What was handled is acknowledged after ackDelay, or at half of the server's
	// usual window, whichever comes first.
	ackDelay = 100 * time.Millisecond
	ackCount = 128
	ackBytes = 512 << 10
)

// ackBatch is what was handled since the last acknowledgement was sent. One per
// channel is enough, because it holds for everything before it.
type ackBatch struct {
	timer  *time.Timer
	places []*place
	count  int
	bytes  int
}

// acknowledge keeps that everything in a channel up to a sequence was handled, and
// has the server told. The store comes first: what the server does not send again
// must be known here.
func (c *Client) acknowledge(channel string, seq uint64, epoch string, weight int) error {
	if !c.isNew(channel, seq, epoch) {
		return nil
	}
	if err := c.opts.Store.Advance(epoch, channel, seq); err != nil {
		return &storeError{err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.mu.places[channel]
	if c.mu.state.Epoch != epoch || p == nil || seq <= p.handled {
		return nil // another one came first
	}
	p.handled = seq
	c.ackLocked(p, weight)
	return nil
}

// isNew says whether an acknowledgement changes anything. It does not when the
// message is from a store that is the server's no more.
func (c *Client) isNew(channel string, seq uint64, epoch string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.mu.places[channel]
	return c.mu.state.Epoch == epoch && p != nil && seq > p.handled
}

func (c *Client) isAcked(m *Message) bool { return !c.isNew(m.Channel, m.Seq, m.epoch) }

// gaveOut notes what the program has yet to acknowledge by itself.
func (c *Client) gaveOut(m *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.mu.places[m.Channel]; p != nil && c.mu.state.Epoch == m.epoch {
		p.yielded = max(p.yielded, m.Seq)
	}
}

// passed acknowledges a revocation, unless that would take messages along that the
// program has not acknowledged.
func (c *Client) passed(r *revocation) error {
	c.mu.Lock()
	p := c.mu.places[r.Channel]
	open := p == nil || p.yielded > p.handled
	c.mu.Unlock()
	if open {
		return nil
	}
	return c.acknowledge(r.Channel, r.Seq, r.epoch, 0)
}

// ackLocked has the server told of a place's handled sequence, soon.
func (c *Client) ackLocked(p *place, weight int) {
	b := &c.mu.acks
	if !p.unsent {
		p.unsent = true
		b.places = append(b.places, p)
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

// flushAcks sends what is to be acknowledged.
func (c *Client) flushAcks() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushAcksLocked()
}

// flushAcksLocked leaves what cannot be sent for the next time: that of the next
// connection, if there is none.
func (c *Client) flushAcksLocked() {
	b, l := &c.mu.acks, c.mu.link
	if l == nil || !l.greeted || len(b.places) == 0 {
		return
	}
	b.timer.Stop()
	b.count, b.bytes = 0, 0
	rest := b.places[:0]
	for _, p := range b.places {
		if p.handled > 0 && !l.conn.TryWrite(wire.AppendAck(nil, p.channel, p.handled)) {
			rest = append(rest, p)
			continue
		}
		p.unsent = false
	}
	clear(b.places[len(rest):])
	if b.places = rest; len(rest) > 0 {
		b.count = 1
		b.timer.Reset(ackDelay)
	}
}
