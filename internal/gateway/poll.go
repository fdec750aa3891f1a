package gateway

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// Poll serves clients that can only make plain requests. The response to a GET with
// ?after=CURSOR&wait=25s is sent at once if messages are available, and otherwise after
// the wait with an empty list: {"cursor":"…","messages":[…]}; the messages are objects
// of wirepost.v1. The next request with the cursor acknowledges them. Each poll is a
// session; tokens, limits and other query parameters are those of ServeHTTP.
func (g *Gateway) Poll() http.Handler { return http.HandlerFunc(g.servePoll) }

func (g *Gateway) servePoll(w http.ResponseWriter, r *http.Request) {
	a, ok := g.open(w, r, codec.Poll)
	if !ok {
		return
	}
	ctx, cut, done := g.whileServing(w, r)
	defer done()
	c := g.respond(a, nil, cut)
	wait, _ := parseWait(r.URL.Query().Get("wait")) //nolint:errcheck // it was parsed before
	c.waitFor(ctx, wait)
	cursor, objects, ok := c.finish()
	if !ok {
		g.Refuse(w, r, ErrDraining)
		return
	}
	body := pollResponse(cursor, objects, a.hello)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	send(w, maxPollWait, body) //nolint:errcheck // then the client retries with its old cursor
}

// pollResponse makes the body of the response. The objects are JSON already.
func pollResponse(cursor string, objects [][]byte, hello []byte) []byte {
	b := append([]byte(`{"cursor":"`), cursor...) // base64
	b = append(b, `","messages":[`...)
	b = append(b, bytes.Join(objects, []byte{','})...)
	b = append(b, ']')
	if hello != nil {
		b = append(append(b, `,"hello":`...), hello...)
	}
	return append(b, "}\n"...)
}

// waitFor returns when the session has written output, or when the wait is over without
// output.
func (c *response) waitFor(ctx context.Context, patience time.Duration) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-c.changed:
		return
	case <-ctx.Done():
		return
	case <-late.C:
	}
	select {
	case <-c.changed:
	case <-c.settled: // reading the initial messages takes time, even if the wait is 0
	case <-ctx.Done():
	}
}

// finish ends the session of a poll and returns its output after it has left, so that
// the client's next poll does not find it. False means that the server has shut down.
func (c *response) finish() (cursor string, objects [][]byte, ok bool) {
	left := make(chan struct{})
	ok = c.loop.Do(func() {
		var ending *conn.CloseInfo
		cursor = c.session.Position()
		if objects, ending = c.take(); ending == nil {
			ending = &conn.CloseInfo{Code: wire.CloseNormal}
		}
		c.session.Closed(*ending)
		c.session.Job(func() { close(left) })
	})
	if !ok {
		c.session.Abandon(ErrDraining)
		return "", nil, false
	}
	<-left
	return cursor, objects, ok
}
