package dial

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// Conn is one connection. One goroutine calls Read until it fails, which it must,
// because that responds to pings and closing handshakes; the other methods are safe
// for concurrent use.
type Conn struct {
	// Static.
	nc       net.Conn
	protocol string
	wake     chan struct{} // of the writer: there are frames
	over     chan struct{} // closed with the socket
	written  chan struct{} // closed when the writer has ended

	frames *ws.Reader // owned by Read
	ending error      // owned by Read: the error of every further call

	mu struct {
		sync.Mutex
		out     []byte        // frames that the writer has not taken
		room    chan struct{} // closed when it takes them; nil: nobody waits
		pong    []byte        // the payload of the latest pong
		ponging bool          // pong is sent after out
		quiet   time.Duration // how long a silence may last; 0: for ever
		closing *CloseError   // the close frame is in out or was sent: nothing may follow it
		closeBy time.Time     // the deadline of the closing handshake
		closed  bool
	}
}

// CloseError says how a connection ended.
type CloseError struct {
	// Code is the close code: the one sent, if this side began (Local), else the
	// one received; 1005 when the peer's close frame had none, 1006 when the
	// connection just broke.
	Code   int
	Reason string
	Local  bool
	Err    error // what broke it; nil after a whole closing handshake
}

func (e *CloseError) Error() string {
	text := fmt.Sprintf("closed with %d", e.Code)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Err != nil && e.Err.Error() != e.Reason {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives what broke the connection.
func (e *CloseError) Unwrap() error { return e.Err }

// ErrQuiet is in a CloseError when nothing came for too long, see SetQuiet.
var ErrQuiet = errors.New("nothing came for too long")

// CloseTimeout is how long a closing handshake may take.
const CloseTimeout = 5 * time.Second

func newConn(nc net.Conn, protocol string, early []byte, maxMessage int, deflate bool) *Conn {
	c := &Conn{
		nc: nc, protocol: protocol,
		wake: make(chan struct{}, 1), over: make(chan struct{}), written: make(chan struct{}),
	}
	if maxMessage == 0 {
		maxMessage = defaultMaxMessage
	}
	c.frames = ws.NewReader((*source)(c), append([]byte(nil), early...), maxMessage, deflate)
	go c.writeAll()
	return c
}

// Subprotocol is the one that the server chose, "" for none.
func (c *Conn) Subprotocol() string { return c.protocol }

// SetQuiet makes Read fail when nothing, not even a ping, has come for d. 0 means
// never.
func (c *Conn) SetQuiet(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.quiet = d
}

// Read waits for the next message, which is valid until the next call. When the
// connection has closed the error is a *CloseError; all that the connection held
// is then released.
func (c *Conn) Read() (data []byte, binary bool, err error) {
	for c.ending == nil {
		f, err := c.frames.Next()
		if err != nil {
			c.ending = c.broke(err)
			break
		}
		switch f.Op {
		case ws.OpText, ws.OpBinary:
			if !c.isClosing() {
				return f.Payload, f.Op == ws.OpBinary, nil
			}
		case ws.OpPing:
			c.pong(f.Payload)
		case ws.OpClose:
			c.ending = c.peerClosed(f.Code, string(f.Payload))
		}
	}
	return nil, false, c.ending
}

// source is the socket with the deadline of each read.
type source Conn

func (s *source) Read(b []byte) (int, error) {
	c := (*Conn)(s)
	if err := c.setReadDeadline(); err != nil {
		return 0, err
	}
	n, err := c.nc.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrQuiet
	}
	return n, err
}

func (c *Conn) setReadDeadline() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var until time.Time
	switch {
	case c.mu.closing != nil:
		until = c.mu.closeBy
	case c.mu.quiet > 0:
		until = time.Now().Add(c.mu.quiet)
	}
	return c.nc.SetReadDeadline(until)
}

// Close does the closing handshake and waits for its end, at most CloseTimeout. It
// needs Read to be called meanwhile. The error says that the peer did not respond.
func (c *Conn) Close(code int, reason string) error {
	c.startClosing(&CloseError{Code: code, Reason: reason, Local: true}, reason)
	patience := time.NewTimer(CloseTimeout + time.Second) // Read gives up before
	defer patience.Stop()
	select {
	case <-c.over:
	case <-patience.C:
		c.CloseNow()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.closing.Err
}

// CloseNow closes the socket; Read then fails.
func (c *Conn) CloseNow() {
	c.mu.Lock()
	if c.mu.closing == nil {
		c.mu.closing = &CloseError{Code: 1006, Local: true, Err: net.ErrClosed}
	}
	first := !c.mu.closed
	c.mu.closed = true
	c.mu.Unlock()
	if first {
		c.nc.Close()
		close(c.over)
	}
	<-c.written
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.closing != nil
}

// startClosing queues a close frame after what was written, unless there is one.
func (c *Conn) startClosing(end *CloseError, reason string) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closing != nil {
		return false
	}
	c.mu.closing = end
	c.mu.closeBy = time.Now().Add(CloseTimeout)
	c.queuePongLocked()
	c.mu.out = ws.AppendMaskedClose(c.mu.out, end.Code, reason)
	c.nc.SetReadDeadline(c.mu.closeBy) //nolint:errcheck // the next read fails
	notify(c.wake)
	return true
}

// peerClosed responds to the peer's close frame, or takes it as the response to ours.
func (c *Conn) peerClosed(code int, reason string) error {
	c.startClosing(&CloseError{Code: code, Reason: reason}, "")
	return c.leave(nil)
}

// broke closes a connection whose peer broke the protocol, or that cannot be read.
func (c *Conn) broke(err error) error {
	if bad, ok := errors.AsType[*ws.ProtocolError](err); ok {
		if !c.startClosing(&CloseError{Code: bad.Code, Reason: bad.Reason, Local: true, Err: bad}, bad.Reason) {
			err = bad
		} else {
			err = nil
		}
		return c.leave(err)
	}
	c.mu.Lock()
	if c.mu.closing == nil {
		c.mu.closing = &CloseError{Code: 1006, Err: err}
	} else if c.mu.closing.Err == nil {
		c.mu.closing.Err = err
	}
	c.mu.Unlock()
	c.CloseNow()
	return c.closeError()
}

// leave waits for the server to close the socket first (RFC 6455 §7.1.1), and closes
// it.
func (c *Conn) leave(err error) error {
	io.Copy(io.Discard, (*source)(c)) //nolint:errcheck // the end, or the time is over
	c.mu.Lock()
	if c.mu.closing.Err == nil {
		c.mu.closing.Err = err
	}
	c.mu.Unlock()
	c.CloseNow()
	return c.closeError()
}

func (c *Conn) closeError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := *c.mu.closing
	return &end
}
