// Package conn implements a server's connections after their upgrade: sockets, loops
// and timers. It passes whole incoming messages to a Handler, and writes shared frames
// without blocking. internal/ws implements the protocol's framing. The package does not
// know Wirepost's channels.
//
// A Loop is one goroutine; every Conn belongs to one of a few loops, and everything
// about a Conn happens on its loop: the calls of its Handler, and every method of Conn.
// Other goroutines post tasks. One turn of a loop runs the posted tasks, handles the
// socket events and fires the due timers. It ends with a call of the Flush function, so
// that all output of a turn leaves in one write per connection.
//
// Start with NewLoop and Loop.Attach. The reading path: a socket (stream.go) passes
// bytes to its endpoint (endpoint.go), whose parser makes messages of them; close.go
// is the closing handshake.
package conn

import "time"

// Handler receives the events of one connection. All calls come from the connection's
// loop, one at a time and never from within a method of Conn, and must not block.
// Slices are valid during the call only.
type Handler interface {
	// Message is a whole data message: unmasked, joined from its fragments,
	// decompressed; a text message is valid UTF-8. The handler may change payload.
	Message(binary bool, payload []byte)
	// Ping is a ping frame; its pong is sent automatically.
	Ping(payload []byte)
	// Pong is a pong frame, solicited or not. It may still arrive after Close.
	Pong(payload []byte)
	// Drained is called when the kernel has taken all output, after a Write that
	// returned false. It is not called after Close.
	Drained()
	// Closing is called when the peer closes the connection, with a close frame or by
	// breaking the protocol, while the socket is still open: Closed follows. It is not
	// called if this side began, with Close or Abort.
	Closing(CloseInfo)
	// Closed is the last call, exactly one for each attached connection.
	Closed(CloseInfo)
}

// CloseInfo says how a connection closed.
type CloseInfo struct {
	// Code is the close code: the one sent, if this side began (Local), else the one
	// received; 1005 if the peer's close frame had none, 1006 if the connection broke
	// without a close frame.
	Code   int
	Reason string
	Local  bool
	// Err is the error that broke the connection, if any: an error of the socket, a
	// *ws.ProtocolError, or ErrCloseTimeout. It is nil after a complete closing
	// handshake.
	Err error
}

// Conn is one attached connection. Its methods may be called only on its loop (in the
// Handler's calls, posted tasks, timers, Flush), and do nothing once it is closed.
type Conn interface {
	// Write queues whole frames (see ws.AppendFrame), to be sent in order in as few
	// system calls as possible. It keeps references to the frames, not copies, until
	// they are sent; they must not be changed meanwhile. The slice that holds them may
	// be reused when Write returns. It never blocks: false means that output is pending
	// and a Drained call will follow. More calls before Drained are allowed and queue.
	// After Close it does nothing.
	Write(frames ...[]byte) bool
	// Unsent is the number of bytes written and not yet known to be taken by the
	// kernel. It is an upper bound: a write in progress counts in full until it is
	// complete.
	Unsent() int
	// Close starts the closing handshake: pending output is sent, then a close frame;
	// Message is not called any more. The socket is closed when the peer's close frame
	// arrives, or after CloseTimeout. A reason of more than 123 bytes is cut. For a
	// code that must not be sent, such as 1005, the close frame has no code.
	Close(code int, reason string)
	// Abort closes the socket at once, with code in CloseInfo. If the connection was
	// already closing, the earlier code is kept.
	Abort(code int, reason string)
	// PauseRead stops reading (TCP then slows the peer down) until ResumeRead. Only
	// input that was already read is still delivered to the Handler. Close ends the
	// pause, because the peer's close frame must be read.
	PauseRead()
	ResumeRead()
	// Window is not 0 if permessage-deflate was negotiated: then frames made by
	// ws.DeflateFrame may be written, of the class that ws.DeflateClass returns for it.
	Window() int
	// LastRead is the time of the peer's last sign of life, by the loop's clock: input
	// arrived, or the kernel took output that had been waiting for the peer to read.
	// Initially it is the time at which the connection was attached.
	LastRead() time.Time
	// Acknowledged returns how many bytes of output the peer's system has acknowledged,
	// and whether output taken by the kernel is still unacknowledged: LastRead does not
	// reflect that progress. It makes a system call, and returns 0 and false where the
	// system does not know (Linux does for TCP).
	Acknowledged() (bytes uint64, waiting bool)
	// Touch sets LastRead to now.
	Touch()
}
