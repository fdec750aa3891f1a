package conn

import (
	"errors"
	"io"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// CloseTimeout is how long Close waits for the output to be sent and for the peer's
// close frame.
const CloseTimeout = 5 * time.Second

// Close codes that this package sends (RFC 6455 §7.4.1).
const (
	codeGoingAway = 1001
	codeAbnormal  = 1006
)

// The closing handshake, by its cause:
//
//	Close:      pending output ─► close frame ─► wait for the peer's ─► socket closed
//	peer:       its close frame ─► pending output ─► echo ─► socket closed
//	violation:  pending output ─► close frame ─► sending side shut down,
//	            input dropped until the peer hangs up ─► socket closed
//	Abort, socket error: socket closed
//
// All but the last complete within CloseTimeout. Input is read to its end even where
// it is ignored: closing a socket with unread input sends a reset, which would destroy
// the close frame on its way to the peer.

// closeState is the state of a closing connection.
type closeState struct {
	timer    Timer
	c        *endpoint
	ending   CloseInfo
	sent     bool // the kernel has taken our close frame
	received bool // the peer's close frame was received
	ignoring bool // further input is dropped
	eof      bool // the peer has closed its sending side
}

// Close implements Conn.
func (c *endpoint) Close(code int, reason string) {
	if c.end == nil {
		c.startClosing(&closeState{ending: CloseInfo{Code: code, Reason: reason, Local: true}})
	}
}

// Abort implements Conn.
func (c *endpoint) Abort(code int, reason string) {
	if c.closed {
		return
	}
	if c.end == nil {
		c.end = &closeState{ending: CloseInfo{Code: code, Reason: reason, Local: true}}
	}
	c.finish(true)
}

// peerClosed replies to the peer's close frame with its own code, or accepts it as the
// reply to ours.
func (c *endpoint) peerClosed(code int, reason string) {
	if c.end == nil {
		c.startClosing(&closeState{
			ending:   CloseInfo{Code: code, Reason: reason},
			received: true,
			ignoring: true,
		})
		c.notifyClosing()
		return
	}
	c.end.received, c.end.ignoring = true, true
	if c.end.sent {
		c.finish(false)
	}
}

// violated closes a connection whose peer broke the protocol. Frame boundaries in
// further input are unknown, so it is dropped.
func (c *endpoint) violated(err *ws.ProtocolError) {
	if c.end != nil {
		c.end.ignoring = true
		if c.end.sent {
			c.sock.closeWrite()
		}
		return
	}
	c.startClosing(&closeState{
		ending:   CloseInfo{Code: err.Code, Reason: err.Reason, Local: true, Err: err},
		ignoring: true,
	})
	c.notifyClosing()
}

// notifyClosing notifies the handler of a close that the peer caused. If the socket is
// closed already, only Closed is called.
func (c *endpoint) notifyClosing() {
	if !c.closed {
		c.handler.Closing(c.end.ending)
	}
}

// startClosing queues the close frame after the pending output. A frame that replies to
// the peer's carries the code only.
func (c *endpoint) startClosing(end *closeState) {
	end.c, end.timer.Owner = c, end
	c.end, c.blocked = end, false
	c.loop.Arm(&end.timer, c.loop.closeTimeout)
	reason := end.ending.Reason
	if end.received {
		reason = ""
	}
	c.out.add(&c.loop.lists, ws.AppendClose(nil, end.ending.Code, reason))
	c.sock.kick()
	c.ResumeRead()
}

// farewellSent continues once the kernel has taken all output, the close frame last.
func (c *endpoint) farewellSent() {
	c.end.sent = true
	switch {
	case c.end.received, c.end.eof:
		c.finish(false)
	case c.end.ignoring:
		c.sock.closeWrite()
	}
}

// Expired aborts a closing handshake that takes too long.
func (f *closeState) Expired() {
	if !f.received {
		f.failed(ErrCloseTimeout)
	}
	f.c.finish(true)
}

// failed keeps the first error that matters: once the peer's close frame has arrived,
// the handshake counts as complete.
func (f *closeState) failed(err error) {
	if f.ending.Err == nil && !f.received {
		f.ending.Err = err
	}
}

func (c *endpoint) ignoring() bool { return c.end != nil && c.end.ignoring }

// readFailed is called by the socket when nothing more can be read.
func (c *endpoint) readFailed(err error) {
	if c.closed {
		return
	}
	if c.end != nil && !c.end.sent && errors.Is(err, io.EOF) {
		// The peer sends nothing more, but may still read.
		c.end.eof = true
		c.end.failed(err)
		return
	}
	c.broke(err)
}

// writeFailed is called by the socket when nothing more can be written.
func (c *endpoint) writeFailed(err error) {
	if !c.closed {
		c.broke(err)
	}
}

func (c *endpoint) broke(err error) {
	if c.end == nil {
		c.end = &closeState{ending: CloseInfo{Code: codeAbnormal}}
	}
	c.end.failed(err)
	c.finish(true)
}

// finish closes the socket and schedules Handler.Closed for later in this turn, so that
// the handler is never called from within one of its own calls.
func (c *endpoint) finish(atOnce bool) {
	c.closed, c.blocked = true, false
	c.loop.Disarm(&c.end.timer)
	c.loop.detach(c)
	c.out.drop(&c.loop.lists)
	c.sock.closeSocket(atOnce)
}
