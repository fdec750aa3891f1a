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

// pollFrames and pollBytes are how much a response holds at least before the session is
// told to stop: a batch, so that there is at most about twice as much.
const (
	pollFrames = 256
	pollBytes  = 256 << 10
)

// waitFor returns when the wait is over, or before if there is output: then it waits only
// for the rest of what is available, which the session reads channel by channel.
func (c *response) waitFor(ctx context.Context, patience time.Duration) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-c.changed:
	case <-ctx.Done():
	case <-late.C:
	}
	for !c.full() {
		select {
		case <-c.settled: // reading the initial messages takes time, even if the wait is 0
			return
		case <-c.changed:
		case <-ctx.Done():
			return
		}
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
