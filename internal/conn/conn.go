// Package conn has a server's connections after their upgrade: sockets, loops and
// timers. Bytes come in and whole messages go to a Handler; shared frames are written
// without waiting. The protocol's bytes are those of internal/ws. It knows nothing of
// Wirepost's channels.
//
// The model is a few loops. A Loop is one goroutine; every Conn belongs to one
// Loop, and everything that happens to a Conn happens on it: the calls of its
// Handler, and every method of Conn. Other goroutines post tasks. One
// turn of a loop takes the posts, the socket events and the timers that are due,
// and ends with a call of its Flush function, so that whatever a turn made
// pending leaves in one write per connection.
//
// Start with NewLoop and Loop.Attach. The reading path: a socket (stream.go)
// brings bytes to its endpoint (endpoint.go), whose parser makes messages of them;
// close.go is the closing handshake.
package conn

import "time"

// Handler is notified of what happens on one connection. All calls come from the
// connection's loop, one at a time and never from inside a method of Conn that
// was called on it, and must not block. Slices are valid during the call only.
type Handler interface {
	// Message is a whole data message: unmasked, joined from its fragments,
	// decompressed, a text message checked to be UTF-8. The handler may change payload.
	Message(binary bool, payload []byte)
	// Ping is a ping frame; its pong is being sent.
	Ping(payload []byte)
	// Pong is a pong frame, asked for or not. It may still come after Close.
	Pong(payload []byte)
	// Drained says that all that was written has been handed to the kernel, after
	// a Write that returned false. There is none after Close.
	Drained()
	// Closing says that the peer closes the connection, by its close frame or by
	// breaking the protocol, and that the socket is still open: Closed follows. It is
	// not called when this side began, with Close or Abort.
	Closing(CloseInfo)
	// Closed is the last call, exactly one for each connection that was attached.
	Closed(CloseInfo)
}

// CloseInfo says how a connection ended.
type CloseInfo struct {
	// Code is the close code that ended it: the one sent, if this side began
	// (Local), else the one received; 1005 when the peer's close frame had none,
	// 1006 when the connection just broke.
	Code   int
	Reason string
	Local  bool
	// Err is what broke it, where something did: the error of the socket, a
	// *ws.ProtocolError, or ErrCloseTimeout. It is nil after a whole handshake.
	Err error
}

// Conn is one attached connection. Its methods may be called from its loop only
// (the Handler's calls, posted tasks, timers, Flush), and do nothing once it is
// closed.
type Conn interface {
	// Write hands over whole frames (see ws.AppendFrame) to be sent in this order, in
	// as few system calls as possible. It keeps references to the frames, not
	// copies, until they are sent; they must not be changed meanwhile. The slice of them is
	// the caller's again when Write returns. It never waits: false means that some
	// of it is still to be sent, and a Drained call will follow. Writing more
	// before Drained is allowed and queues. After Close it does nothing.
	Write(frames ...[]byte) bool
	// Unsent is the number of bytes written and not yet known to be handed to the
	// kernel. It is an upper bound: what is being written counts until all of it
	// is.
	Unsent() int
	// Close starts the closing handshake: what was written is sent, then a close
	// frame; nothing more is handed to Message. The socket is closed when the
	// peer's close frame came, or when CloseTimeout is over. A reason of more than
	// 123 bytes is cut. A code that must not be sent, such as 1005, makes a close
	// frame without one.
	Close(code int, reason string)
	// Abort closes the socket at once, with code in CloseInfo, unless the
	// connection was closing already: then that code stays.
	Abort(code int, reason string)
	// PauseRead stops reading (TCP then slows the peer down) until ResumeRead. At
	// most what was already read is still handed to the Handler. Close ends the
	// pause, because the peer's close frame has to be read.
	PauseRead()
	ResumeRead()
	// Window is not 0 when permessage-deflate was agreed on: then frames made by
	// ws.DeflateFrame may be written, of the class that ws.DeflateClass gives for it.
	Window() int
	// LastRead is when the peer last gave a sign of life, by the loop's clock: bytes
	// came from it, or the kernel took some of the output that had waited for it to
	// read. Until then it is when the connection was attached.
	LastRead() time.Time
	// Acknowledged is how much output the peer's system has acknowledged so far, and
	// whether some that the kernel has taken is still unacknowledged: LastRead does not
	// show that the peer takes that. It is a system call, and gives 0 and false where
	// the system does not know (TCP on Linux does).
	Acknowledged() (bytes uint64, waiting bool)
	// Touch makes LastRead now.
	Touch()
}
