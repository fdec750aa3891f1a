package conn

import (
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// endpoint is one connection: the part of a WebSocket that does not depend on the
// transport. Every kind of socket embeds one, and calls received, readFailed, sent and
// writeFailed on it. It is owned by the loop.
type endpoint struct {
	// Static.
	loop    *Loop
	sock    socket
	handler Handler

	attached
	parser  ws.Parser
	out     outbox
	end     *closeState   // nil until it is closing
	last    time.Duration // time of the last input, since the loop's start
	blocked bool          // a Write returned false, and Drained was not called since
	paused  bool
	window  uint8 // of permessage-deflate, 0 if not negotiated; static
	closed  bool  // the socket is closed; Handler.Closed has been or is about to be called
	bare    bool  // see Handshake; static
}

// socket is one kind of transport. Its methods are called on the loop and never block.
type socket interface {
	Conn
	// begin starts reading, after the early bytes.
	begin(early []byte)
	// kick notifies the socket that the outbox has frames.
	kick()
	// readMore notifies the socket that reading is wanted again.
	readMore()
	// closeWrite shuts down the sending side, if the transport can.
	closeWrite()
	// closeSocket closes the socket: at once, or with the transport's own closing
	// handshake.
	closeSocket(atOnce bool)
	// base returns the embedded endpoint.
	base() *endpoint
}

func (c *endpoint) base() *endpoint { return c }

// Write implements Conn.
func (c *endpoint) Write(frames ...[]byte) bool {
	if c.end != nil {
		return true
	}
	for _, f := range frames {
		c.out.add(&c.loop.lists, f)
	}
	if !c.out.empty() {
		c.sock.kick()
	}
	// The kick may have broken the connection; then there will be no Drained call.
	c.blocked = c.out.unsent > 0 && c.end == nil
	return !c.blocked
}

// Unsent implements Conn.
func (c *endpoint) Unsent() int { return c.out.unsent }

// Window implements Conn.
func (c *endpoint) Window() int { return int(c.window) }

// PauseRead implements Conn.
func (c *endpoint) PauseRead() {
	if c.end == nil {
		c.paused = true
	}
}

// ResumeRead implements Conn.
func (c *endpoint) ResumeRead() {
	if c.paused {
		c.paused = false
		c.sock.readMore()
	}
}

// LastRead implements Conn.
func (c *endpoint) LastRead() time.Time { return c.loop.start.Add(c.last) }

// Touch implements Conn.
func (c *endpoint) Touch() { c.last = c.loop.now.Sub(c.loop.start) }

// wantsBytes reports whether the socket should read.
func (c *endpoint) wantsBytes() bool { return !c.paused && !c.closed }

// maxSqueezed is how many bytes are read at once from a peer that may compress: they
// may inflate to a thousand times as many, while the loop's other connections wait.
const maxSqueezed = 2 << 10

// room returns the part of a buffer that may be read into at once.
func (c *endpoint) room(buf []byte) []byte {
	if c.window != 0 && len(buf) > maxSqueezed {
		return buf[:maxSqueezed]
	}
	return buf
}

// received handles input from the peer, and modifies it.
func (c *endpoint) received(b []byte) {
	c.last = c.loop.now.Sub(c.loop.start)
	r := ws.Rules{MaxMessage: c.loop.cfg.MaxMessage, Deflate: c.window != 0}
	if c.bare {
		r.MaxMessage = c.loop.cfg.MaxBare
	}
	for !c.closed && !c.ignoring() {
		f, rest, err := c.parser.Next(b, r)
		if err != nil {
			c.violated(err)
			break
		}
		if f.Op == 0 {
			return
		}
		c.take(f)
		b = rest
	}
	c.parser.Release()
}

func (c *endpoint) take(f ws.Frame) {
	switch f.Op {
	case ws.OpText, ws.OpBinary:
		if c.end == nil {
			c.handler.Message(f.Op == ws.OpBinary, f.Payload)
		}
	case ws.OpPing:
		if c.end == nil {
			c.out.addPong(&c.loop.lists, f.Payload)
			c.sock.kick()
			c.handler.Ping(f.Payload)
		}
	case ws.OpPong:
		// After Close too: the pong acknowledges what was sent before.
		c.handler.Pong(f.Payload)
	case ws.OpClose:
		c.peerClosed(f.Code, string(f.Payload))
	}
}

// sent is called by the socket when the kernel has taken n bytes.
func (c *endpoint) sent(n int) {
	if c.closed {
		return
	}
	if c.out.unsent -= n; c.out.unsent > 0 {
		return
	}
	switch {
	case c.end != nil:
		c.farewellSent()
	case c.blocked:
		c.blocked = false
		c.handler.Drained()
	}
}
