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

// Poll is the way in for clients that can have nothing but plain requests. A GET
// with ?after=CURSOR&wait=25s answers, at once when there is something, and
// otherwise after the wait with an empty list, {"cursor":"…","messages":[…]}; the
// messages are objects of wirepost.v1. To come back with the cursor acknowledges
// them. Each poll is a session of its own; tokens, limits and the rest of the query
// are those of ServeHTTP.
func (g *Gateway) Poll() http.Handler { return http.HandlerFunc(g.servePoll) }

func (g *Gateway) servePoll(w http.ResponseWriter, r *http.Request) {
	a, ok := g.open(w, r, codec.Poll)
	if !ok {
		return
	}
	ctx, done := g.whileServing(w, r)
	defer done()
	c := g.respond(a, nil)
	wait, _ := parseWait(r.URL.Query().Get("wait")) //nolint:errcheck // it was read before
	c.waitFor(ctx, wait)
	cursor, objects, ok := c.finish()
	if !ok {
		g.Refuse(w, r, ErrDraining)
		return
	}
	body := pollAnswer(cursor, objects, a.hello)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	send(w, maxPollWait, body) //nolint:errcheck // then the client asks again with its old cursor
}

// pollAnswer puts the answer together. The objects are JSON already.
func pollAnswer(cursor string, objects [][]byte, hello []byte) []byte {
	b := append([]byte(`{"cursor":"`), cursor...) // base64
	b = append(b, `","messages":[`...)
	b = append(b, bytes.Join(objects, []byte{','})...)
	b = append(b, ']')
	if hello != nil {
		b = append(append(b, `,"hello":`...), hello...)
	}
	return append(b, "}\n"...)
}

// waitFor returns when the session has written something, or when it is late and
// there was nothing to write.
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
	case <-c.settled: // what a session begins with may take longer to read than no time at all
	case <-ctx.Done():
	}
}

// finish ends the session of a poll and returns what it brought, when it has left:
// the client's next poll is not to find it still there. False means that the server
// has ended.
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
