package conn

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/wirepost/wirepost/internal/ws"
)

// testEcho exchanges messages of many sizes with an independent client.
func testEcho(e *env) {
	r, c := e.gorilla()
	e.on(func() {
		r.onMessage = func(bin bool, p []byte) {
			op := ws.OpText
			if bin {
				op = ws.OpBinary
			}
			r.Conn.Write(ws.AppendFrame(nil, op, p))
		}
	})
	for _, n := range []int{0, 1, 125, 126, 127, 255, 256, 257, 4096, 65535, 65536, 1 << 20} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			want := []byte(strings.Repeat("z", n))
			if err := c.WriteMessage(kind, want); err != nil {
				e.Fatal(err)
			}
			gotKind, got, err := c.ReadMessage()
			if err != nil || gotKind != kind || !bytes.Equal(got, want) {
				e.Fatalf("%d bytes: got %d bytes of kind %d, %v", n, len(got), gotKind, err)
			}
		}
	}
}

func testFragments(e *env) {
	r, c := e.attach()
	c.send(begins(ws.OpText, "a€"[:2]), controlFrame(ws.OpPing, "1"), continues("a€"[2:]),
		controlFrame(ws.OpPong, "2"), controlFrame(ws.OpPing, "3"), ends(""), binaryFrame("\xFF"))
	c.expect(ws.OpPong, "1")
	c.expect(ws.OpPong, "3")
	r.expect(`pong "2"`, `text "a€"`, `binary "\xff"`)
}

// testSplitAnywhere cuts a conversation at every byte.
func testSplitAnywhere(e *env) {
	script := frames(begins(ws.OpText, "é"), controlFrame(ws.OpPong, "x"), ends("€"),
		binaryFrame(strings.Repeat("b", 130)), closeFrame(1000, ""))
	for i := 0; i <= len(script); i += 1 + i/40 {
		r, c := e.attach()
		c.send(script[:i], script[i:])
		c.expectClose(1000)
		c.expectEOF()
		r.expect(`pong "x"`, `text "é€"`, fmt.Sprintf("binary %q", strings.Repeat("b", 130)), `closed 1000 "" peer`)
		c.Close()
	}
}

// testEarlyBytes: bytes received with the handshake are handled first, including half a
// frame.
func testEarlyBytes(e *env) {
	input := frames(textFrame("one"), textFrame("two"), closeFrame(1000, ""))
	for i := range len(input) + 1 {
		early := slices.Clone(input[:i])
		r, c := e.attach(early...)
		c.send(input[i:])
		c.expectClose(1000)
		c.expectEOF()
		r.expect(`text "one"`, `text "two"`, `closed 1000 "" peer`)
		if !bytes.Equal(early, input[:i]) {
			e.Fatal("the caller's bytes were changed")
		}
		c.Close()
	}
}

// testBursts sends sizes close to those of the read buffers, with pauses that let the
// reader fall asleep with each buffer.
func testBursts(e *env) {
	r, c := e.attach()
	for _, n := range []int{247, 248, 249, 255, 256, 257, 511, 512, 513, 16<<10 + 248, 16<<10 + 249} {
		frame := binaryFrame(strings.Repeat("b", n))
		want := fmt.Sprintf("binary %q", strings.Repeat("b", n))
		c.send(frame)
		r.expect(want)
		if e.fake {
			time.Sleep(time.Second)
		}
		c.send(frame, frame, frame)
		r.expect(want, want, want)
	}
}

func testBigMessage(e *env) {
	r, c := e.attach()
	want := strings.Repeat("0123456789abcdef", 1<<16)
	c.send(textFrame(want))
	r.expect(fmt.Sprintf("text %q", want))
}

func testPing(e *env) {
	_, c := e.attach()
	for _, payload := range []string{"", "p", strings.Repeat("x", 125)} {
		c.send(controlFrame(ws.OpPing, payload))
		c.expect(ws.OpPong, payload)
	}
}

// testPingBurst: each ping of a burst gets a pong, in order, also while messages are
// being echoed.
func testPingBurst(e *env) {
	r, c := e.attach()
	e.on(func() { r.onMessage = func(_ bool, p []byte) { r.Conn.Write(serverText(string(p))) } })
	var burst []byte
	for i := range 10 {
		burst = append(burst, controlFrame(ws.OpPing, fmt.Sprint(i))...)
	}
	burst = append(burst, textFrame("between")...)
	long := strings.Repeat("x", 122)
	for i := range 100 {
		burst = append(burst, controlFrame(ws.OpPing, fmt.Sprintf("%s%3d", long, i))...)
	}
	c.send(burst)
	for i := range 10 {
		c.expect(ws.OpPong, fmt.Sprint(i))
	}
	c.expect(ws.OpText, "between")
	for i := range 100 {
		c.expect(ws.OpPong, fmt.Sprintf("%s%3d", long, i))
	}
}

// testPingFlood: for a peer that sends pings without reading, a bounded number of pongs
// is queued, and the last one is that of its last ping.
func testPingFlood(e *env) {
	r, c := e.attach()
	e.on(func() { r.Conn.Write(e.fill()) })
	const pings = 5000
	var flood []byte
	for i := range pings {
		flood = append(flood, controlFrame(ws.OpPing, fmt.Sprint("ping ", i))...)
	}
	unsent := 0
	e.on(func() { unsent = r.Conn.Unsent() })
	c.send(flood, textFrame("end"))
	r.expect(`text "end"`)
	e.on(func() {
		if more := r.Conn.Unsent() - unsent; more > maxPongs {
			e.Errorf("%d bytes of pongs wait", more)
		}
	})
	c.frame()
	for last := ""; last != fmt.Sprint("ping ", pings-1); {
		op, payload := c.frame()
		if last = string(payload); op != ws.OpPong {
			e.Fatalf("got frame %d", op)
		}
	}
	r.expect("drained")
}

// fill is a frame larger than any socket buffer.
func (e *env) fill() []byte { return fill() }

var fill = sync.OnceValue(func() []byte { return ws.AppendFrame(nil, ws.OpBinary, make([]byte, 16<<20)) })

// testPauseRead: a paused connection reads a bounded number of bytes, and nothing is
// lost.
func testPauseRead(e *env) {
	r, c := e.attach()
	e.on(r.Conn.PauseRead)
	const messages = 5000
	message := strings.Repeat("m", 1000)
	sent := make(chan error, 1)
	go func() {
		for range messages {
			if _, err := c.Conn.Write(textFrame(message)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	// Input that was already being read may still arrive; then the peer blocks in the
	// middle.
	e.settle()
	e.on(func() {})
	came := len(r.events)
	if came > 100 {
		e.Errorf("%d messages while paused", came)
	}
	e.on(r.Conn.ResumeRead)
	want := fmt.Sprintf("text %q", message)
	for range messages {
		r.expect(want)
	}
	if err := <-sent; err != nil {
		e.Error(err)
	}
}

// testPauseInHandler: if each message pauses reading, the messages of one read are
// still delivered, and no more; a later resume delivers the next ones.
func testPauseInHandler(e *env) {
	r, c := e.attach()
	e.on(func() {
		r.onMessage = func(bool, []byte) {
			r.Conn.PauseRead()
			e.loop.Post(Func(r.Conn.ResumeRead))
		}
	})
	go c.Conn.Write(bytes.Repeat(textFrame("x"), 1000))
	for range 1000 {
		r.expect(`text "x"`)
	}
}

// testPauseAndResume pauses and resumes while input is left to parse: those bytes must
// not be overwritten by the next read.
func testPauseAndResume(e *env) {
	r, c := e.attach()
	e.on(func() {
		r.onMessage = func(bool, []byte) {
			r.Conn.PauseRead()
			r.Conn.ResumeRead()
		}
	})
	const messages = 5000
	var all []byte
	for i := range messages {
		all = append(all, textFrame(fmt.Sprint(i))...)
	}
	go c.Conn.Write(all)
	for i := range messages {
		r.expect(fmt.Sprintf("text %q", fmt.Sprint(i)))
	}
}

func testLastRead(e *env) {
	r, c := e.attach()
	var attached, first, second time.Time
	e.on(func() { attached = r.Conn.LastRead() })
	if e.fake {
		time.Sleep(time.Minute)
	}
	c.send(textFrame("x"))
	r.expect(`text "x"`)
	e.on(func() { first = r.Conn.LastRead() })
	e.on(func() { second = r.Conn.LastRead() })
	if !second.Equal(first) || first.Before(attached) {
		e.Errorf("attached %v, then %v, then %v", attached, first, second)
	}
	if d := first.Sub(attached); e.fake && d != time.Minute {
		e.Errorf("the bytes came %v after the start", d)
	}
}

func testTouch(e *env) {
	r, _ := e.attach()
	var attached, touched time.Time
	e.on(func() { attached = r.Conn.LastRead() })
	if e.fake {
		time.Sleep(time.Minute)
	}
	e.on(func() {
		r.Conn.Touch()
		touched = r.Conn.LastRead()
	})
	if d := touched.Sub(attached); d < 0 || e.fake && d != time.Minute {
		e.Errorf("touched %v after the start", d)
	}
}
