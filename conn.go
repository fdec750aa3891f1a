package wirepost

import (
	"context"
	"errors"
	"net/http"

	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// Handle is ServeHTTP for programs that read in a loop. It calls serve for each connection
// in plain mode, in a goroutine of its own; serve reads the client's messages with
// Conn.Read, and Options.OnMessage is not called. In all other respects the connection is
// a session like others: it receives pushed messages, and the server handles pings,
// limits and OnDisconnect. Clients that offer wirepost.v1 are served as by ServeHTTP.
//
// The context has the values of the request's context and is canceled when the session
// is closed. When serve returns nil, the connection is closed with 1000; a CloseInfo
// closes it with that code, an *Error with the close code of its Code, and any other
// error is logged and closes it with 1011. Shutdown waits for serve as it does for
// callbacks.
func (s *Server) Handle(serve func(context.Context, *Conn) error) http.Handler {
	if serve == nil {
		panic("wirepost: Handle needs a function")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.gateway.Receive(w, r, receiver{&Conn{
			srv: s, serve: serve, messages: make(chan Frame),
			closed: make(chan struct{}), returned: make(chan struct{}),
		}})
	})
}

// Conn is a connection in plain mode, for Handle. Its methods are safe for concurrent use;
// each message is returned by one Read.
type Conn struct {
	// Static.
	srv      *Server
	serve    func(context.Context, *Conn) error
	messages chan Frame    // without a buffer: a message waits in a job of the session
	closed   chan struct{} // closed when all messages were read
	returned chan struct{} // closed when serve has returned

	// Static once attached.
	session *session.Session // nil before
	ended   <-chan struct{}  // closed when the session ends

	info CloseInfo // written before closed is closed
}

// Session describes the session.
func (c *Conn) Session() Session { return newSession(c.session.Info()) }

// Read waits for the client's next message. When the session is closed, it returns the
// messages received before that, and then a CloseInfo as the error. If messages are not
// read, the server keeps a few and stops reading from the client.
func (c *Conn) Read(ctx context.Context) (Frame, error) {
	select {
	case f := <-c.messages:
		return f, nil
	case <-c.closed:
		return Frame{}, c.info
	case <-c.ended:
	case <-ctx.Done():
		select {
		case <-c.ended: // which may be what ended ctx
		default:
			return Frame{}, ctx.Err()
		}
	}
	select {
	case f := <-c.messages:
		return f, nil
	case <-c.closed:
		return Frame{}, c.info
	}
}

// Write sends a frame that is not stored and not acknowledged. It waits until the socket
// has accepted the frames before it. When the session is closed, the error is a
// CloseInfo.
func (c *Conn) Write(ctx context.Context, f Frame) error {
	if err := c.srv.checkFrame(f); err != nil {
		return err
	}
	err := c.session.WriteFrame(ctx, session.Frame(f))
	var ended session.CloseInfo
	if errors.As(err, &ended) {
		return CloseInfo(ended)
	}
	return err
}

// Close closes the connection as Server.CloseConnection does. Closing it again has no
// effect.
func (c *Conn) Close(info CloseInfo) error {
	if err := info.check(); err != nil {
		return err
	}
	c.close(info.Code, info.Reason)
	return nil
}

func (c *Conn) close(code int, reason string) {
	session.EndAll([]*session.Session{c.session}, code, reason)
}

// run calls serve and closes the connection according to its error.
func (c *Conn) run(ctx context.Context) {
	defer close(c.returned)
	var err error
	if p := callback.Guard(c.srv.logger, "Handle", c.session.Info().User, func() { err = c.serve(ctx, c) }); p != nil {
		c.close(wire.CloseInternal, "internal error")
		return
	}
	info, closed := closing(err)
	switch {
	case err == nil:
		c.close(wire.CloseNormal, "")
	case ctx.Err() != nil:
	case closed:
		c.close(info.Code, info.Reason)
	default:
		if coded(err) == nil {
			c.srv.logger.Error("callback failed", "callback", "Handle", "error", err)
		}
		e := asFault(err)
		c.close(e.Code.CloseCode(), e.Message)
	}
}

// receiver is what the session sees of a Conn.
type receiver struct{ *Conn }

// Attached implements session.Receiver.
func (r receiver) Attached(ctx context.Context, s *session.Session) {
	r.session, r.ended = s, ctx.Done()
	jobs := &r.srv.host.Jobs
	jobs.Add(1)
	go func() {
		defer jobs.Add(-1)
		r.run(ctx)
	}()
}

// Message implements session.Receiver.
func (r receiver) Message(f session.Frame) {
	select {
	case r.messages <- Frame(f):
	case <-r.returned:
	}
}

// Disconnected implements session.Receiver. It waits for serve, because OnDisconnect is
// called after every other callback.
func (r receiver) Disconnected(e session.CloseInfo) {
	r.info = CloseInfo(e)
	close(r.closed)
	if r.session != nil {
		<-r.returned
	}
}
