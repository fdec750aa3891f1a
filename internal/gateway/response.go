package gateway

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/session"
)

// response is an HTTP response as the connection of a session: the session writes on
// its loop, and the request's goroutine sends the output. The session of a stream then
// waits for Drained, so that little is buffered for a client that does not read; that of
// a poll goes on until the response is full.
type response struct {
	// Static.
	host    *session.Host
	loop    *session.Loop
	session *session.Session
	cut     func() // interrupts a write in progress

	// changed has an entry when a field below has changed.
	changed chan struct{}
	// settled is closed when the session has sent all available messages.
	settled     chan struct{}
	settledOnce sync.Once
	progress    atomic.Int64 // when output was last taken, in ns since loop.epoch

	mu     sync.Mutex
	frames [][]byte
	unsent int             // bytes, including those being sent
	ending *conn.CloseInfo // nil until closed
}

var _ conn.Conn = (*response)(nil)

// respond attaches a session to a response, which cut interrupts.
func (g *Gateway) respond(a admitted, hello []byte, cut func()) *response {
	c := &response{host: g.host, loop: a.loop, session: a.session, cut: cut, changed: make(chan struct{}, 1), settled: make(chan struct{})}
	c.took(nil)
	a.loop.Do(func() { a.session.Attach(c, hello) })
	return c
}

// Write implements conn.Conn.
func (c *response) Write(frames ...[]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		c.frames = append(c.frames, frames...)
		for _, f := range frames {
			c.unsent += len(f)
		}
		c.notify()
	}
	return c.session.Mode() == codec.Poll && !c.fullLocked()
}

// fullLocked reports whether a poll has no room for another batch.
func (c *response) fullLocked() bool {
	return c.ending != nil || len(c.frames) >= pollFrames || c.unsent >= pollBytes
}

// full is fullLocked, with the lock.
func (c *response) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fullLocked()
}

func (c *response) notify() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Close implements conn.Conn. A client that does not read is cut off if the ResponseWriter
// supports deadlines, as those of net/http do.
func (c *response) Close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		c.ending = &conn.CloseInfo{Code: code, Reason: reason, Local: true}
		c.notify()
		time.AfterFunc(conn.CloseTimeout, c.cut)
	}
}

// Abort implements conn.Conn.
func (c *response) Abort(code int, reason string) { c.Close(code, reason) }

// Unsent implements conn.Conn.
func (c *response) Unsent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsent
}

// PauseRead implements conn.Conn: a response has no input.
func (c *response) PauseRead() {}

// ResumeRead implements conn.Conn.
func (c *response) ResumeRead() {}

// Window implements conn.Conn.
func (c *response) Window() int { return 0 }

// LastRead implements conn.Conn. The client sends nothing; the only sign of life is
// that the kernel takes output. A poll is too short to need one.
func (c *response) LastRead() time.Time {
	if c.session.Mode() == codec.Poll {
		return c.loop.Now()
	}
	return c.loop.At(time.Duration(c.progress.Load()))
}

// Acknowledged implements conn.Conn: net/http owns the connection, so it reports
// nothing.
func (c *response) Acknowledged() (bytes uint64, waiting bool) { return 0, false }

// Touch implements conn.Conn.
func (c *response) Touch() { c.progress.Store(int64(time.Since(c.loop.Epoch()))) }

// CaughtUp implements session.CaughtUp.
func (c *response) CaughtUp() { c.settledOnce.Do(func() { close(c.settled) }) }

// take returns the output to send, and how the response was closed, if it was.
func (c *response) take() (frames [][]byte, ending *conn.CloseInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames, c.frames = c.frames, nil
	return frames, c.ending
}

// took counts frames as sent.
func (c *response) took(frames [][]byte) {
	c.progress.Store(int64(time.Since(c.loop.Epoch())))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range frames {
		c.unsent -= len(f)
	}
}

// closed reports the close to the session, as its last call.
func (c *response) closed(e conn.CloseInfo) {
	c.mu.Lock()
	if c.ending == nil {
		c.ending = &e
	}
	e = *c.ending
	c.mu.Unlock()
	if !c.loop.Do(func() { c.session.Closed(e) }) {
		c.session.Abandon(ErrDraining) // the server closed before the response
	}
}

// open makes the session of a request that is not a WebSocket, or responds with a
// refusal.
func (g *Gateway) open(w http.ResponseWriter, r *http.Request, m codec.Mode) (a admitted, ok bool) {
	if !g.crossOrigin(w, r) {
		return a, false
	}
	err := noBody(w, r)
	if err == nil && m == codec.SSE {
		err = g.needs(w, canFlush, "http.Flusher")
	}
	if err == nil {
		a, err = g.admit(r, m, nil)
	}
	if err != nil {
		g.Refuse(w, r, err)
		return a, false
	}
	return a, true
}

// crossOrigin refuses pages of other sites, sets the headers that allow the other pages
// to read the response, and responds to preflights (the CORS protocol of the Fetch
// standard). False means that the response is complete.
func (g *Gateway) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Add("Vary", "Origin")
	if err := g.checkOrigin(r); err != nil {
		g.Refuse(w, r, err)
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true") // the cookie may carry the token
		h.Set("Access-Control-Expose-Headers", "Retry-After")
	}
	switch r.Method {
	case http.MethodGet:
		return true
	case http.MethodOptions:
		h.Set("Allow", "GET, OPTIONS")
		h.Set("Access-Control-Allow-Methods", "GET")
		h.Set("Access-Control-Allow-Headers", "Authorization, Last-Event-ID, Cache-Control, X-Requested-With, X-Socket-Id")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "GET, OPTIONS")
		g.Refuse(w, r, &fault.Error{Code: fault.BadRequest, Status: http.StatusMethodNotAllowed, Message: "only GET is allowed here"})
	}
	return false
}

// whileServing returns the context of a request with a session: it is also canceled by cut
// and when the server closes, which interrupts a write in progress. The caller calls done
// at the end.
func (g *Gateway) whileServing(w http.ResponseWriter, r *http.Request) (ctx context.Context, cut, done func()) {
	g.responses.Add(1)
	ctx, cancel := context.WithCancel(r.Context())
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Time{}) //nolint:errcheck // the http.Server's is not meant for long responses
	serving, cut := context.WithCancel(g.host.Base)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(serving, func() {
		defer close(interrupted)
		rc.SetWriteDeadline(time.Now()) //nolint:errcheck // not supported by every ResponseWriter
		cancel()
	})
	return ctx, cut, func() {
		if !stop() {
			<-interrupted // w must not be used after the request
		}
		cut()
		cancel()
		g.responses.Add(-1)
	}
}

// send sends frames to a client, with patience as the time limit.
func send(w http.ResponseWriter, patience time.Duration, frames ...[]byte) error {
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // not supported by every ResponseWriter
	for _, f := range frames {
		if _, err := w.Write(f); err != nil {
			return err
		}
	}
	if err := rc.Flush(); err != nil {
		return err
	}
	rc.SetWriteDeadline(time.Time{}) //nolint:errcheck // the connection may be used again
	return nil
}
