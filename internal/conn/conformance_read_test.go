package conn

import (
	"bytes"
	"strings"

	"github.com/gorilla/websocket"
)

// testEcho sends messages of many sizes to and fro with an independent client.
func testEcho(e *env) {
	r, c := e.gorilla()
	e.on(func() {
		r.onMessage = func(bin bool, p []byte) {
			op := OpText
			if bin {
				op = OpBinary
			}
			r.Conn.Write(AppendFrame(nil, op, p))
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
