package gateway

import (
	"context"
	"errors"
	"net/http"
	"os"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// Events serves clients behind proxies that block WebSockets: an endless stream of
// Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
// The data of each event is an object of wirepost.v1; its ID is a cursor over all
// channels, and a request with that cursor as Last-Event-ID acknowledges and resumes.
// Tokens, limits and query parameters are those of ServeHTTP.
func (g *Gateway) Events() http.Handler { return http.HandlerFunc(g.serveEvents) }

func (g *Gateway) serveEvents(w http.ResponseWriter, r *http.Request) {
	a, ok := g.open(w, r, codec.SSE)
	if !ok {
		return
	}
	ctx, cut, done := g.whileServing(w, r)
	defer done()
	c := g.respond(a, a.hello, cut)
	ending := conn.CloseInfo{Code: wire.CloseAbnormal}
	defer func() { c.closed(ending) }() // also if w panics
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // compression would delay it into blocks
	h.Set("X-Accel-Buffering", "no")                 // nginx would buffer the response
	w.WriteHeader(http.StatusOK)
	ending = c.stream(ctx, w)
}

// stream sends the session's output until the session ends, the client leaves or stops
// reading, or the server closes.
func (c *response) stream(ctx context.Context, w http.ResponseWriter) conn.CloseInfo {
	patience := session.DeadAfter(c.host.Heartbeat)
	err := send(w, patience, beginComment) // and the header
	for err == nil {
		frames, ending := c.take()
		if len(frames) > 0 {
			if err = send(w, patience, frames...); err != nil {
				break
			}
			c.took(frames)
			c.loop.Do(c.session.Drained)
		}
		if ending != nil {
			return *ending
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	code := wire.CloseAbnormal
	if errors.Is(err, os.ErrDeadlineExceeded) && c.host.Base.Err() == nil {
		code = wire.CloseHeartbeat // which the session may be about to detect as well
	}
	return conn.CloseInfo{Code: code, Err: err}
}

// beginComment is the first line: proxies and polyfills that wait for the beginning of
// the body should not have to wait for the first message.
var beginComment = []byte(": connected\n\n")
