// Package conn is one WebSocket after its upgrade: bytes in, whole messages out,
// shared frames written without waiting. It knows RFC 6455 and nothing of
// Wirepost's channels.
//
// The model is a few loops. A Loop is one goroutine; every Conn belongs to one
// Loop, and everything that happens to a Conn happens on it: the calls of its
// Handler, and every method of Conn. What comes from elsewhere is posted. One
// turn of a loop takes the posts, the socket events and the timers that are due,
// and ends with a call of its Flush function, so that whatever a turn made
// pending leaves in one write per connection.
package conn

import (
	"errors"
	"net"
	"time"
)

// Handler is told what happens on one connection. All calls come from the
// connection's loop, one at a time, and must not block. Slices are valid during
// the call only.
type Handler interface {
	// Message is a whole data message: unmasked, joined from its fragments, a
	// text message checked to be UTF-8.
	Message(binary bool, payload []byte)
	// Pong is a pong frame, asked for or not.
	Pong(payload []byte)
	// Drained says that all that was written has been handed to the kernel, after
	// a Write that returned false.
	Drained()
	// Closed is the last call, exactly one for each connection that was attached.
	Closed(Ending)
}

// Ending says how a connection ended.
type Ending struct {
	// Code is the close code that ended it: the one sent, if this side began
	// (Local), else the one received; 1005 when the peer's close frame had none,
	// 1006 when the connection just broke.
	Code   int
	Reason string
	Local  bool
	Err    error // what broke it, where something did
}

// Conn is one attached connection. Its methods may be called from its loop only
// (the Handler's calls, posted tasks, timers, Flush), and do nothing once it is
// closed.
type Conn interface {
	// Write hands over whole frames (see AppendFrame) to be sent in this order, in
	// as few system calls as possible. It keeps references to the frames, not
	// copies, until they are sent; nobody may change them. It never waits: false
	// means that some of it is still to be sent, and a Drained call will follow.
	// Writing more before Drained is allowed and queues.
	Write(frames ...[]byte) bool
	// Unsent is the number of bytes written and not yet handed to the kernel.
	Unsent() int
	// Close starts the closing handshake: what was written is sent, then a close
	// frame; nothing more is handed to Message. The socket is closed when the
	// peer's close frame came, or when CloseTimeout is over.
	Close(code int, reason string)
	// Abort closes the socket at once, with code in Ending.
	Abort(code int, reason string)
	// PauseRead stops reading (TCP then slows the peer down) until ResumeRead. At
	// most what was already read is still handed to the Handler.
	PauseRead()
	ResumeRead()
	// LastRead is when bytes last came from the peer, by the loop's clock.
	LastRead() time.Time
	RemoteAddr() net.Addr
}

// CloseTimeout is how long Close waits for the output to leave and for the
// peer's close frame.
const CloseTimeout = 5 * time.Second

// Config is the same for all connections of a loop.
type Config struct {
	// MaxMessage is the largest message taken from a peer, in bytes; a longer one
	// is refused by its header (1009), before memory is taken for it.
	MaxMessage int
	// Flush is called at the end of each turn of the loop that did something.
	Flush func()
}

// Task is work posted to a loop.
type Task interface{ Run() }

// Func makes a function a Task.
type Func func()

// Run calls f.
func (f Func) Run() { f() }

// ErrLoopClosed is answered by Attach once the loop is closing.
var ErrLoopClosed = errors.New("loop closed")

// The Loop's methods (loop.go), safe for use from any goroutine unless said
// otherwise:
//
//	func NewLoop(Config) *Loop            starts its goroutine
//	func (l *Loop) Post(Task) bool        run on the loop, in order of posting; never waits; false once closed
//	func (l *Loop) Attach(nc net.Conn, early []byte, h func(Conn) Handler) error
//	                                      serve an upgraded connection; early are bytes that came behind
//	                                      the handshake. h runs on the loop before any other call.
//	func (l *Loop) Now() time.Time        on the loop: the time this turn began
//	func (l *Loop) Arm(t *Timer, d time.Duration)  on the loop: (re)schedule; earlier schedule is replaced
//	func (l *Loop) Disarm(t *Timer)
//	func (l *Loop) Close()                aborts what is still attached (1001), runs posted tasks, waits for every goroutine
//
// A Timer is embedded in its owner: it costs no goroutine and no allocation, and
// fires up to one wheel tick (100 ms; never early) late.
