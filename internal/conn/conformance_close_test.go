package conn

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/wirepost/wirepost/internal/ws"
)

func testPeerCloses(e *env) {
	r, c := e.attach()
	c.send(frames(textFrame("x"), closeFrame(1001, "bye")))
	c.expectClose(1001)
	c.expectEOF()
	r.expect(`text "x"`, `closed 1001 "bye" peer`)
	r.noError()
}

func testPeerClosesWithoutCode(e *env) {
	r, c := e.attach()
	c.send(controlFrame(ws.OpClose, ""))
	c.expectClose(0)
	c.expectEOF()
	r.expect(`closed 1005 "" peer`)
	r.noError()
}

// testPeerClosesWithOutputPending: the echo is sent after the pending output.
func testPeerClosesWithOutputPending(e *env) {
	r, c := e.attach()
	e.on(func() { r.Conn.Write(e.fill(), serverText("last")) })
	c.send(closeFrame(1000, ""))
	r.isClosing(1000)
	c.frame()
	c.expect(ws.OpText, "last")
	c.expectClose(1000)
	c.expectEOF()
	r.expect(`closed 1000 "" peer`)
	r.noError()
}

// testPeerClosesAndSends: input after a close frame is ignored and does not disturb the
// echo.
func testPeerClosesAndSends(e *env) {
	r, c := e.attach()
	c.send(frames(closeFrame(1000, ""), textFrame("x"), controlFrame(ws.OpPing, ""), closeFrame(1001, ""), unmaskedFrame))
	c.expectClose(1000)
	c.expectEOF()
	r.expect(`closed 1000 "" peer`)
}

// testPeerClosesAndHangsUp: the handshake counts as complete without the echo.
func testPeerClosesAndHangsUp(e *env) {
	r, c := e.attach()
	c.send(closeFrame(1000, "gone"))
	c.Close()
	r.expect(`closed 1000 "gone" peer`)
	r.noError()
}

func testPeerVanishes(e *env) {
	r, c := e.attach()
	c.send(textFrame("x"))
	r.expect(`text "x"`)
	c.Close()
	r.expect(`closed 1006 "" peer`)
	r.someError()
}

func testPeerVanishesInMessage(e *env) {
	r, c := e.attach()
	c.send(begins(ws.OpText, "x"), textFrame("y")[:3])
	c.Close()
	r.expect(`closed 1006 "" peer`)
	r.someError()
}

func testWeClose(e *env) {
	r, c := e.attach()
	e.on(func() {
		r.Conn.Write(serverText("last"))
		r.Conn.Close(4409, "enough")
		if !r.Conn.Write(serverText("too late")) {
			e.Error("a write after Close is pending")
		}
	})
	c.expect(ws.OpText, "last")
	c.expectClose(4409)
	c.send(frames(textFrame("not heard"), controlFrame(ws.OpPing, "nor this"), closeFrame(4409, "")))
	c.expectEOF()
	r.expect(`closed 4409 "enough" local`)
	r.noError()
}

func testWeCloseTwice(e *env) {
	r, c := e.attach()
	e.on(func() {
		r.Conn.Close(1000, "first")
		r.Conn.Close(1001, "second")
	})
	c.expectClose(1000)
	c.send(closeFrame(1000, ""))
	c.expectEOF()
	r.expect(`closed 1000 "first" local`)
	e.on(func() {
		r.Conn.Close(1001, "third")
		r.Conn.PauseRead()
		r.Conn.ResumeRead()
		r.Conn.Write(serverText("x"))
	})
	e.settle()
	r.none()
}

func testWeCloseInMessage(e *env) {
	r, c := e.attach()
	e.on(func() { r.onMessage = func(bool, []byte) { r.Conn.Close(1008, "") } })
	c.send(frames(textFrame("one"), textFrame("two"), begins(ws.OpText, "thr")))
	c.expectClose(1008)
	c.send(frames(ends("ee"), closeFrame(1008, "")))
	c.expectEOF()
	r.expect(`text "one"`, `closed 1008 "" local`)
	r.noError()
}

func testWeCloseInAttach(e *env) {
	server, client := e.pair(e)
	r := newRecorder(e)
	r.onAttach = func() { r.Conn.Close(4403, "no") }
	if err := e.loop.Attach(server, Handshake{Early: textFrame("early")}, r.attach); err != nil {
		e.Fatal(err)
	}
	c := newRawClient(e, client)
	c.expectClose(4403)
	c.send(closeFrame(4403, ""))
	c.expectEOF()
	r.expect(`closed 4403 "no" local`)
}

// testWeCloseWhilePaused: the peer's close frame is read although reading is paused.
func testWeCloseWhilePaused(e *env) {
	r, c := e.attach()
	e.on(r.Conn.PauseRead)
	e.on(func() {
		r.Conn.Close(1000, "")
		r.Conn.PauseRead()
	})
	c.expectClose(1000)
	c.send(closeFrame(1000, ""))
	c.expectEOF()
	r.expect(`closed 1000 "" local`)
}

func testWeCloseOddCodes(e *env) {
	long := strings.Repeat("€", 100)
	for _, code := range []int{0, 999, 1005, 1006, 1015, 5000, 70000} {
		r, c := e.attach()
		e.on(func() { r.Conn.Close(code, long) })
		c.expectClose(0)
		c.send(controlFrame(ws.OpClose, ""))
		c.expectEOF()
		r.expect(fmt.Sprintf("closed %d %q local", code, long))
	}
	// The limit of 123 bytes falls in the middle of a character of the reason.
	r, c := e.attach()
	e.on(func() { r.Conn.Close(1000, "x"+long) })
	c.expect(ws.OpClose, "\x03\xE8x"+strings.Repeat("€", 40))
	c.send(closeFrame(1000, ""))
	r.expect(fmt.Sprintf("closed 1000 %q local", "x"+long))
}

// testPongAfterClose: a pong acknowledges output from before the close frame.
func testPongAfterClose(e *env) {
	r, c := e.attach()
	e.on(func() {
		r.Conn.Write(ws.AppendPing(nil, []byte("cursor")))
		r.Conn.Close(1012, "")
	})
	c.expect(ws.OpPing, "cursor")
	c.expectClose(1012)
	c.send(frames(controlFrame(ws.OpPong, "cursor"), closeFrame(1012, "")))
	r.expect(`pong "cursor"`, `closed 1012 "" local`)
}

// testCloseUnanswered: a peer that does not reply is disconnected after the timeout.
func testCloseUnanswered(e *env) {
	e.shortClose()
	r, c := e.attach()
	start := time.Now()
	e.on(func() { r.Conn.Close(1000, "") })
	c.expectClose(1000)
	c.expectEOF()
	r.expect(`closed 1000 "" local`)
	r.isError(ErrCloseTimeout)
	if d := time.Since(start); e.fake && (d < CloseTimeout || d > CloseTimeout+tick) {
		e.Errorf("after %v", d)
	}
}

// testCloseUnread: the same for a peer that does not even read, whichever side closed.
func testCloseUnread(e *env) {
	e.shortClose()
	r, _ := e.attach()
	e.on(func() {
		r.Conn.Write(e.fill())
		r.Conn.Close(1000, "")
	})
	r.expect(`closed 1000 "" local`)
	r.isError(ErrCloseTimeout)

	r, c := e.attach()
	e.on(func() { r.Conn.Write(e.fill()) })
	c.send(closeFrame(1001, ""))
	r.expect(`closed 1001 "" peer`)
}

func testCloseAndPeerVanishes(e *env) {
	r, c := e.attach()
	e.on(func() { r.Conn.Close(1000, "") })
	c.expectClose(1000)
	c.Close()
	r.expect(`closed 1000 "" local`)
	r.someError()
}

// testHalfClosed: a peer that shuts down its sending side still receives the pending
// output and the close frame.
func testHalfClosed(e *env) {
	r, c := e.attach()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	e.on(func() {
		r.Conn.Write(e.fill())
		r.Conn.Close(1000, "")
	})
	half.CloseWrite()
	c.frame()
	c.expectClose(1000)
	c.expectEOF()
	r.expect(`closed 1000 "" local`)
	r.someError()
}

// testBothClose: the close frames cross; this side counts as the one that began.
func testBothClose(e *env) {
	r, c := e.attach()
	e.on(func() { r.onMessage = func(bool, []byte) { r.Conn.Close(4000, "ours") } })
	c.send(frames(textFrame("x"), closeFrame(1001, "theirs")))
	c.expectClose(4000)
	c.expectEOF()
	r.expect(`text "x"`, `closed 4000 "ours" local`)
	r.noError()
}

var unmaskedFrame = []byte{finBit | ws.OpText, 1, 'x'}

// testViolations: each violation is answered with its close code, which arrives
// although the peer continues to send.
func testViolations(e *env) {
	for _, v := range parseCases {
		e.violate(Handshake{}, v.Name, v.Input, v.Want)
	}
}

// violate sends input that breaks the protocol, if the last of the parser's lines is a
// close code.
func (e *env) violate(hs Handshake, name string, input []byte, lines []string) {
	n := len(lines) - 1
	if n < 0 || !strings.HasPrefix(lines[n], "100") {
		return
	}
	r, c := e.attachBy(hs)
	c.send(input, make([]byte, 100<<10))
	want := 0
	fmt.Sscan(lines[n], &want)
	for {
		if op, payload := c.frame(); op == ws.OpClose {
			if got := int(payload[0])<<8 | int(payload[1]); got != want {
				e.Errorf("%s: closed with %d, want %d", name, got, want)
			}
			break
		}
	}
	r.isClosing(want)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && !e.fake { // or the server waits for that
		half.CloseWrite()
	}
	c.expectEOF()
	c.Close()
	for !strings.HasPrefix(r.next(), "closed") {
	}
	var violation *ws.ProtocolError
	if !errors.As(r.closeInfo.Err, &violation) || !r.closeInfo.Local || r.closeInfo.Code != want {
		e.Errorf("%s: closed with %+v", name, r.closeInfo)
	}
}

func testViolationWhileClosing(e *env) {
	r, c := e.attach()
	e.on(func() { r.Conn.Close(1000, "") })
	c.expectClose(1000)
	c.send(unmaskedFrame, make([]byte, 100<<10))
	c.Close()
	r.expect(`closed 1000 "" local`)
}

func testGorillaCloses(e *env) {
	r, c := e.gorilla()
	message := websocket.FormatCloseMessage(4001, "done")
	if err := c.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Minute)); err != nil {
		e.Fatal(err)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 4001) {
		e.Errorf("the client got %v", err)
	}
	r.expect(`closed 4001 "done" peer`)
	r.noError()
}

func testGorillaIsClosed(e *env) {
	r, c := e.gorilla()
	e.on(func() { r.Conn.Close(1012, "restart") })
	_, _, err := c.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 1012 || closed.Text != "restart" {
		e.Errorf("the client got %v", err)
	}
	r.expect(`closed 1012 "restart" local`)
	r.noError()
}
