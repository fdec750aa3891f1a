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

// response is the answer to an HTTP request as the connection of a session: what
// the session writes on its loop, the request's goroutine sends. The session then
// waits for Drained, so that little is held for a client that does not read.
type response struct {
	// Static.
	host    *session.Host
	loop    *session.Loop
	session *session.Session

	// changed has an entry when there is something new below.
	changed chan struct{}
	// settled is closed when the session has sent all there is.
	settled     chan struct{}
	settledOnce sync.Once
	progress    atomic.Int64 // when bytes were last taken, in ns since loop.epoch

	mu     sync.Mutex
	frames [][]byte
	unsent int             // bytes, also those being sent
	ending *conn.CloseInfo // nil until it is closed
}

var _ conn.Conn = (*response)(nil)

// respond attaches a session to a response.
func (g *Gateway) respond(a admitted, hello []byte) *response {
	c := &response{host: g.host, loop: a.loop, session: a.session, changed: make(chan struct{}, 1), settled: make(chan struct{})}
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
	return false
}

func (c *response) notify() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Close implements conn.Conn.
func (c *response) Close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		c.ending = &conn.CloseInfo{Code: code, Reason: reason, Local: true}
		c.notify()
	}
}

// Abort implements conn.Conn. What is being written has a deadline where the
// ResponseWriter knows deadlines, as those of net/http do.
func (c *response) Abort(code int, reason string) { c.Close(code, reason) }

// Unsent implements conn.Conn.
func (c *response) Unsent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsent
}

// PauseRead implements conn.Conn: there is nothing to read.
func (c *response) PauseRead() {}

// ResumeRead implements conn.Conn.
func (c *response) ResumeRead() {}

// Window implements conn.Conn.
func (c *response) Window() int { return 0 }

// LastRead implements conn.Conn. The client says nothing; that the kernel takes
// bytes for it is the sign of life there is. A poll is too short to need any.
func (c *response) LastRead() time.Time {
	if c.session.Mode() == codec.Poll {
		return c.loop.Now()
	}
	return c.loop.At(time.Duration(c.progress.Load()))
}

// Acknowledged implements conn.Conn: net/http has the connection.
func (c *response) Acknowledged() (bytes uint64, waiting bool) { return 0, false }

// Touch implements conn.Conn.
func (c *response) Touch() { c.progress.Store(int64(time.Since(c.loop.Epoch()))) }

// CaughtUp implements session.CaughtUp.
func (c *response) CaughtUp() { c.settledOnce.Do(func() { close(c.settled) }) }

// take gives what is to be sent, and how the response ends if it does.
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

// closed reports to the session, as its last call, how the connection ended.
func (c *response) closed(e conn.CloseInfo) {
	c.mu.Lock()
	if c.ending == nil {
		c.ending = &e
	}
	e = *c.ending
	c.mu.Unlock()
	if !c.loop.Do(func() { c.session.Closed(e) }) {
		c.session.Abandon(ErrDraining) // the server ended before the response did
	}
}

// open makes the session of a request that is no WebSocket, or answers it.
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

// crossOrigin refuses pages of other sites, names to browsers those that may read the
// answer, and answers their preflights (the Fetch standard's CORS protocol). False
// means that the request is done with.
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
		g.Refuse(w, r, &fault.Error{Code: fault.BadRequest, Status: http.StatusMethodNotAllowed, Message: "only GET is answered here"})
	}
	return false
}

// whileServing is the context of a request that a session answers: it ends with
// the server too, and then what is being written is cut. The caller calls done at
// the end.
func (g *Gateway) whileServing(w http.ResponseWriter, r *http.Request) (ctx context.Context, done func()) {
	g.responses.Add(1)
	ctx, cancel := context.WithCancel(r.Context())
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Time{}) //nolint:errcheck // the http.Server's is not meant for what lasts
	cut := make(chan struct{})
	stop := context.AfterFunc(g.host.Base, func() {
		defer close(cut)
		rc.SetWriteDeadline(time.Now()) //nolint:errcheck // not every ResponseWriter can
		cancel()
	})
	return ctx, func() {
		if !stop() {
			<-cut // w is not to be touched when the request is over
		}
		cancel()
		g.responses.Add(-1)
	}
}

// send sends frames to a client, which has so long to take them.
func send(w http.ResponseWriter, patience time.Duration, frames ...[]byte) error {
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // not every ResponseWriter can
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
