package conn

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/internal/ws"
)

// testWriteOrder writes in many turns, several frames of various sizes at a time, and
// checks their order.
func testWriteOrder(e *env) {
	r, c := e.attach()
	const turns, each = 300, 7
	body := func(i int) string { return fmt.Sprint(i, ":", strings.Repeat("x", i*i%5000)) }
	go func() {
		for turn := range turns {
			e.loop.Post(Func(func() {
				var batch [][]byte
				for i := range each {
					batch = append(batch, serverText(body(turn*each+i)))
				}
				r.Conn.Write(batch[:3]...)
				r.Conn.Write(batch[3:]...)
				clear(batch) // the slice is the caller's again
			}))
		}
	}()
	for i := range turns * each {
		c.expect(ws.OpText, body(i))
	}
}

func testWriteNothing(e *env) {
	r, c := e.attach()
	e.on(func() {
		if !r.Conn.Write() || !r.Conn.Write(nil, []byte{}) {
			e.Error("writing no frames is pending")
		}
		if n := r.Conn.Unsent(); n != 0 {
			e.Errorf("%d bytes unsent", n)
		}
		r.Conn.Write(nil, serverText("x"), nil)
	})
	c.expect(ws.OpText, "x")
}

// testWriteInAttach writes before the handler is known.
func testWriteInAttach(e *env) {
	server, client := e.pair(e)
	r := newRecorder(e)
	r.onAttach = func() { r.Conn.Write(serverText("hello")) }
	if err := e.loop.Attach(server, Handshake{Early: textFrame("early")}, r.attach); err != nil {
		e.Fatal(err)
	}
	c := newRawClient(e, client)
	c.expect(ws.OpText, "hello")
	r.expect(`text "early"`)
}

// testDrained: Drained is called once after any number of Writes that returned false,
// and not after those that returned true.
func testDrained(e *env) {
	r, c := e.attach()
	for range 3 {
		e.on(func() {
			if r.Conn.Write(e.fill()) {
				e.Error("Write returned true for a frame larger than the socket buffer")
			}
			if r.Conn.Write(serverText("more")) {
				e.Error("Write returned true with output pending")
			}
			if n := r.Conn.Unsent(); n < 6 {
				e.Errorf("%d bytes unsent", n)
			}
		})
		r.none()
		c.frame()
		c.expect(ws.OpText, "more")
		r.expect("drained")
		e.on(func() {
			if n := r.Conn.Unsent(); n != 0 {
				e.Errorf("%d bytes unsent", n)
			}
		})
	}
	r.none()
}

// testSlowReader: the queues of clients that do not read hold references to the frames,
// not copies; the clients receive all of them in the end.
func testSlowReader(e *env) {
	const conns, messages = 4, 100
	shared := serverText(strings.Repeat("s", 200<<10))
	var rs []*recorder
	var cs []*rawClient
	for range conns {
		r, c := e.attach()
		rs, cs = append(rs, r), append(cs, c)
	}
	for range messages {
		e.on(func() {
			for _, r := range rs {
				r.Conn.Write(shared)
			}
		})
	}
	e.on(func() {
		for _, r := range rs {
			if r.Conn.Unsent() == 0 {
				e.Error("the socket took all of it: too little for this test")
			}
			out := &r.Conn.(socket).base().out
			if out.empty() {
				continue // a writing goroutine has taken the list: it holds the last frames
			}
			for _, f := range out.list.frames {
				if &f[len(f)-1] != &shared[len(shared)-1] {
					e.Fatal("a frame was copied")
				}
			}
		}
	})
	for i, c := range cs {
		for range messages {
			if _, payload := c.frame(); len(payload) != 200<<10 {
				e.Fatalf("got %d bytes", len(payload))
			}
		}
		rs[i].expect("drained")
	}
}
