package dial

import (
	"context"
	"net"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

const (
	// maxQueued is how many bytes may wait for the writer before Write waits.
	maxQueued = 256 << 10
	// writeTimeout is how long a peer may read nothing of what it is sent.
	writeTimeout = time.Minute
	// keepBuffer is the largest buffer that is kept for what comes next.
	keepBuffer = 64 << 10
)

// Write queues a message. It waits only while much is queued: then for the
// context, or the end of the connection, which is net.ErrClosed. A message
// that was queued may still be lost; only a response proves that it arrived.
func (c *Conn) Write(ctx context.Context, binary bool, data []byte) error {
	op := ws.OpText
	if binary {
		op = ws.OpBinary
	}
	for {
		full, err := c.queue(op, data)
		if full == nil {
			return err
		}
		select {
		case <-full:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.over:
		}
	}
}

// TryWrite queues a text message if that needs no waiting.
func (c *Conn) TryWrite(data []byte) bool {
	full, err := c.queue(ws.OpText, data)
	return full == nil && err == nil
}

// pong responds to a ping. While much is queued only the latest pong waits, after it
// (RFC 6455 §5.5.3): a peer that sends pings and reads no pongs costs no memory.
func (c *Conn) pong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closing != nil {
		return
	}
	c.mu.pong = append(c.mu.pong[:0], payload...)
	c.mu.ponging = true
	if len(c.mu.out) < maxQueued {
		c.queuePongLocked()
	}
	notify(c.wake)
}

// queuePongLocked queues the pong that waits, if one does.
func (c *Conn) queuePongLocked() {
	if c.mu.ponging {
		c.mu.out = ws.AppendMasked(c.mu.out, ws.OpPong, c.mu.pong)
		c.mu.ponging = false
	}
}

// queue appends a message to what the writer takes next. Full is not nil if there
// are maxQueued bytes already, and is closed when they were taken.
func (c *Conn) queue(op byte, payload []byte) (full <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closing != nil {
		return nil, net.ErrClosed
	}
	if len(c.mu.out) >= maxQueued {
		if c.mu.room == nil {
			c.mu.room = make(chan struct{})
		}
		return c.mu.room, nil
	}
	c.mu.out = ws.AppendMasked(c.mu.out, op, payload)
	notify(c.wake)
	return nil, nil
}

// writeAll is the writer: whatever queued while it wrote goes out in one write.
func (c *Conn) writeAll() {
	defer close(c.written)
	var spare []byte
	for {
		select {
		case <-c.wake:
		case <-c.over:
			return
		}
		c.mu.Lock()
		c.queuePongLocked()
		frames := c.mu.out
		c.mu.out = spare[:0]
		if c.mu.room != nil {
			close(c.mu.room)
			c.mu.room = nil
		}
		c.mu.Unlock()
		if err := c.write(frames); err != nil {
			// Read fails with its own error.
			c.nc.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // then it is closed
			c.nc.Close()
			return
		}
		if spare = frames; cap(spare) > keepBuffer {
			spare = nil
		}
	}
}

func (c *Conn) write(frames []byte) error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := c.nc.Write(frames)
	return err
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it was notified already
	}
}
