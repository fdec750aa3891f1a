package conn

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/wirepost/wirepost/internal/ws"
)

func testAbort(e *env) {
	r, c := e.attach()
	e.on(func() {
		r.Conn.Abort(4408, "heartbeat")
		r.Conn.Abort(4409, "again")
		r.Conn.Close(4409, "again")
		r.none() // not from within Abort
		if !r.Conn.Write(serverText("x")) || r.Conn.Unsent() != 0 {
			e.Error("a write after Abort is pending")
		}
	})
	r.expect(`closed 4408 "heartbeat" local`)
	r.noError()
	if _, err := c.r.ReadByte(); err == nil {
		e.Error("the socket is open")
	}
}

// testAbortEverywhere calls Abort within every call of the handler.
func testAbortEverywhere(e *env) {
	abort := func(r *recorder) func() {
		return func() { r.Conn.Abort(4000, "") }
	}
	server, client := e.pair(e)
	r := newRecorder(e)
	r.onAttach = abort(r)
	if err := e.loop.Attach(server, Handshake{Early: textFrame("early")}, r.attach); err != nil {
		e.Fatal(err)
	}
	r.expect(`closed 4000 "" local`)
	client.Close()

	r, c := e.attach()
	e.on(func() { r.onMessage = func(bool, []byte) { r.Conn.Abort(4000, "") } })
	c.send(frames(textFrame("one"), textFrame("two"), closeFrame(1000, "")))
	r.expect(`text "one"`, `closed 4000 "" local`)

	r, c = e.attach()
	e.on(func() {
		r.onDrained = abort(r)
		r.Conn.Write(e.fill())
	})
	c.frame()
	r.expect("drained", `closed 4000 "" local`)

	r, _ = e.attach()
	e.on(func() {
		r.onClosed = abort(r)
		r.Conn.Abort(4001, "")
	})
	r.expect(`closed 4001 "" local`)
	e.settle()
	r.none()
}

func testAbortWhileStuck(e *env) {
	r, _ := e.attach()
	e.on(func() { r.Conn.Write(e.fill()) })
	e.on(func() { r.Conn.PauseRead(); r.Conn.Write(e.fill()) })
	e.on(func() { r.Conn.Abort(4000, "") })
	r.expect(`closed 4000 "" local`)
}

// testAbortWhileClosing: a close in progress keeps its code.
func testAbortWhileClosing(e *env) {
	r, c := e.attach()
	e.on(func() { r.Conn.Close(1000, "") })
	c.expectClose(1000)
	e.on(func() { r.Conn.Abort(4000, "") })
	r.expect(`closed 1000 "" local`)
}

// testAbortInFlush: the handler is notified even if the turn has no other work.
func testAbortInFlush(e *env) {
	var r *recorder
	var loop *Loop
	armed := false
	loop = NewLoop(Config{Flush: func() {
		if armed {
			armed = false
			r.Conn.Abort(4000, "")
		}
	}})
	defer loop.Close()
	r, _ = (&env{TB: e.TB, loop: loop, pair: e.pair, fake: e.fake}).attach()
	loop.Post(Func(func() { armed = true }))
	r.expect(`closed 4000 "" local`)
}

// testLoopClose closes a loop with connections in every state.
func testLoopClose(e *env) {
	type state struct {
		want  string
		setUp func(r *recorder, c *rawClient)
	}
	const aborted = `closed 1001 "" local`
	states := []state{
		{aborted, func(*recorder, *rawClient) {}},
		{aborted, func(r *recorder, c *rawClient) { e.on(r.Conn.PauseRead) }},
		{aborted, func(r *recorder, c *rawClient) { e.on(func() { r.Conn.Write(e.fill()) }) }},
		{aborted, func(r *recorder, c *rawClient) { c.send(begins(ws.OpText, "x"), textFrame("y")[:3]) }},
		{aborted, func(r *recorder, c *rawClient) {
			c.send(textFrame(strings.Repeat("x", 300)))
			r.next()
		}},
		{`closed 4000 "" local`, func(r *recorder, c *rawClient) { e.on(func() { r.Conn.Close(4000, "") }) }},
		{`closed 1002 "frame is not masked" local`, func(r *recorder, c *rawClient) {
			c.send(unmaskedFrame)
			c.expectClose(1002)
		}},
		{`closed 1000 "" peer`, func(r *recorder, c *rawClient) {
			e.on(func() { r.Conn.Write(e.fill()) })
			c.send(frames(controlFrame(ws.OpPong, ""), closeFrame(1000, "")))
			r.next()
			e.on(func() {})
		}},
	}
	var rs []*recorder
	for _, s := range states {
		r, c := e.attach()
		s.setUp(r, c)
		rs = append(rs, r)
	}
	e.loop.Close()
	for i, r := range rs {
		r.expect(states[i].want)
		r.none()
	}
}

// testAttachWhileClosing: Closed is called for a connection that Attach accepted, even
// if the loop closes before it is attached.
func testAttachWhileClosing(e *env) {
	server, client := e.pair(e)
	defer client.Close()
	r := newRecorder(e)
	sock, err := e.loop.open(e.loop, server)
	if err != nil {
		e.Fatal(err)
	}
	e.on(func() {
		e.loop.abortAll()
		e.loop.attach(sock, Handshake{Early: textFrame("early")}, r.attach)
	})
	r.expect(`closed 1001 "" local`)
}

// testStress exchanges messages on many connections at a time and closes them in many
// ways.
func testStress(e *env) {
	const conns = 24
	var wg sync.WaitGroup
	for i := range conns {
		server, client := e.pair(e)
		r := newRecorder(e)
		r.onMessage = func(bin bool, p []byte) {
			if bin && string(p) == "abort" {
				r.Conn.Abort(4000, "")
				return
			}
			r.Conn.Write(ws.AppendFrame(nil, ws.OpText, p), serverText("and"))
		}
		if err := e.loop.Attach(server, Handshake{}, r.attach); err != nil {
			e.Fatal(err)
		}
		c := newRawClient(e, client)
		wg.Go(func() { e.talk(c, rand.New(rand.NewPCG(uint64(i), 5))) })
		wg.Go(func() {
			for !strings.HasPrefix(r.next(), "closed") {
			}
		})
	}
	wg.Wait()
}

func (e *env) talk(c *rawClient, rnd *rand.Rand) {
	for i := range 100 {
		message := fmt.Sprint(i, strings.Repeat("é", rnd.IntN(1+rnd.IntN(2000))))
		cut := rnd.IntN(len(message) + 1)
		c.send(begins(ws.OpText, message[:cut]), controlFrame(ws.OpPong, "x"), ends(message[cut:]))
		c.expect(ws.OpText, message)
		c.expect(ws.OpText, "and")
	}
	switch rnd.IntN(4) {
	case 0:
		c.send(closeFrame(1000, ""))
		c.expectClose(1000)
	case 1:
		c.send(binaryFrame("abort"))
	case 2:
		c.send(unmaskedFrame)
	}
	c.Close()
}
