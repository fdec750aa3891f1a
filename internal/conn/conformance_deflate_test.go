package conn

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost/internal/ws"
	"github.com/wirepost/wirepost/internal/ws/wstest"
)

// testDeflated sends the valid inputs of a peer that negotiated compression.
func testDeflated(e *env) {
	for _, v := range deflateCases {
		if strings.HasPrefix(v.Want[len(v.Want)-1], "100") {
			continue
		}
		r, c := e.attachBy(Handshake{Window: maxWindow})
		go c.Conn.Write(frames(v.Input, textFrame("end")))
		for _, line := range v.Want {
			if op, payload, _ := strings.Cut(line, " "); op == "9" {
				c.expect(ws.OpPong, strings.Trim(payload, `"`))
			} else {
				r.expect(strings.NewReplacer("1 ", "text ", "2 ", "binary ").Replace(op+" ") + payload)
			}
		}
		r.expect(`text "end"`)
		c.Close()
	}
}

func testDeflatedFragments(e *env) {
	r, c := e.attachBy(Handshake{Window: maxWindow})
	want := sample(5000)
	for _, n := range []int{1, 7, 255, 1000} {
		c.send(squeezedIn(n, ws.OpText, want), textFrame("between"), squeezedIn(n, ws.OpBinary, want))
		r.expect(fmt.Sprintf("text %q", want), `text "between"`, fmt.Sprintf("binary %q", want))
	}
}

// testDeflatedEarly: a compressed message may follow the handshake directly, cut
// anywhere.
func testDeflatedEarly(e *env) {
	input := frames(squeezed(ws.OpText, "Hello"), squeezedIn(2, ws.OpText, "world"))
	for i := range len(input) + 1 {
		r, c := e.attachBy(Handshake{Early: input[:i], Window: maxWindow})
		c.send(input[i:])
		r.expect(`text "Hello"`, `text "world"`)
		c.Close()
	}
}

func testDeflatedViolations(e *env) {
	for _, v := range deflateCases {
		e.violate(Handshake{Window: maxWindow}, v.Name, v.Input, v.Want)
	}
}

// testDeflatedUnasked: compression that was not negotiated is a violation; Window
// returns the negotiated window.
func testDeflatedUnasked(e *env) {
	e.violate(Handshake{}, "unasked", squeezed(ws.OpText, "Hello"), []string{"1002"})
	for _, want := range []int{0, minWindow, maxWindow} {
		r, _ := e.attachBy(Handshake{Window: want})
		e.on(func() {
			if got := r.Conn.Window(); got != want {
				e.Errorf("Window is %d, want %d", got, want)
			}
		})
	}
}

// testDeflatedIdle: a connection with compression holds no buffers between messages.
func testDeflatedIdle(e *env) {
	r, c := e.attachBy(Handshake{Window: maxWindow})
	c.send(squeezed(ws.OpText, sample(3000)), squeezedIn(100, ws.OpText, sample(3000)))
	r.expect(fmt.Sprintf("text %q", sample(3000)), fmt.Sprintf("text %q", sample(3000)))
	e.on(func() {
		if p := r.Conn.(socket).base().parser; p != (ws.Parser{}) {
			e.Errorf("it holds %+v", p)
		}
	})
}

// testDeflatedTurns: a turn handles only a few messages that inflate to much, so that
// other connections get their turn.
func testDeflatedTurns(e *env) {
	const messages = 300
	taken, most := 0, 0
	loop := NewLoop(Config{Flush: func() { taken = 0 }})
	defer loop.Close()
	r, c := (&env{TB: e.TB, loop: loop, pair: e.pair, fake: e.fake}).attachBy(Handshake{Window: maxWindow})
	done := make(chan struct{})
	loop.Post(Func(func() {
		r.onMessage = func(_ bool, p []byte) {
			taken += len(p)
			most = max(most, taken)
		}
		close(done)
	}))
	<-done
	bomb := squeezed(ws.OpBinary, strings.Repeat("0", defaultMaxMessage))
	go c.Conn.Write(bytes.Repeat(bomb, messages)) //nolint:errcheck // the handler reports
	for range messages {
		r.next()
	}
	loop.Close()
	if limit := (maxSqueezed/len(bomb) + 2) * defaultMaxMessage; most > limit {
		e.Errorf("%d bytes in one turn, of %d at most", most, limit)
	}
}

// deflatedSizes are sizes around the threshold, the pooled buffers and the window.
var deflatedSizes = []int{0, 1, minDeflate - 1, minDeflate, 1000, 4096, 16 << 10, 16<<10 + 1, 32768, 65536, 300_000}

// echoDeflated makes a recorder's connection echo compressed.
func (e *env) echoDeflated(r *recorder) {
	e.on(func() {
		window := r.Conn.Window()
		if window == 0 {
			e.Error("compression was not negotiated")
		}
		r.onMessage = func(bin bool, p []byte) {
			op := ws.OpText
			if bin {
				op = ws.OpBinary
			}
			frame := ws.AppendFrame(nil, op, p)
			r.Conn.Write(ws.DeflateFrame(frame, ws.DeflateClass(frame, window)))
		}
	})
}

func testDeflatedGorilla(e *env) {
	r, c := e.gorillaBy(websocket.Dialer{EnableCompression: true})
	e.echoDeflated(r)
	for _, n := range deflatedSizes {
		for _, compress := range []bool{true, false} {
			for kind, want := range map[int]string{websocket.TextMessage: sample(n), websocket.BinaryMessage: noise(n)} {
				c.EnableWriteCompression(compress)
				if err := c.WriteMessage(kind, []byte(want)); err != nil {
					e.Fatal(err)
				}
				gotKind, got, err := c.ReadMessage()
				if err != nil || gotKind != kind || string(got) != want {
					e.Fatalf("%d bytes: got %d bytes of kind %d, %v", n, len(got), gotKind, err)
				}
			}
		}
	}
}

// testDeflatedCoder: this client offers context takeover as well, and must respect the
// response, which never allows it.
func testDeflatedCoder(e *env) {
	for _, mode := range []coder.CompressionMode{coder.CompressionContextTakeover, coder.CompressionNoContextTakeover} {
		r, c := e.coder(mode)
		e.echoDeflated(r)
		c.SetReadLimit(1 << 20)
		for _, n := range deflatedSizes {
			for kind, want := range map[coder.MessageType]string{coder.MessageText: sample(n), coder.MessageBinary: noise(n)} {
				if err := c.Write(context.Background(), kind, []byte(want)); err != nil {
					e.Fatal(err)
				}
				gotKind, got, err := c.Read(context.Background())
				if err != nil || gotKind != kind || !bytes.Equal(got, []byte(want)) {
					e.Fatalf("%d bytes: got %d bytes of kind %d, %v", n, len(got), gotKind, err)
				}
			}
		}
		c.CloseNow()
	}
}

// coder serves a connection to a second independent client.
func (e *env) coder(mode coder.CompressionMode) (r *recorder, c *coder.Conn) {
	e.Helper()
	r = e.handshake(func(client net.Conn) (err error) {
		transport := &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil },
		}
		c, _, err = coder.Dial(context.Background(), "ws://test/", &coder.DialOptions{
			HTTPClient: &http.Client{Transport: transport}, CompressionMode: mode, CompressionThreshold: 1,
		})
		return err
	})
	return r, c
}

// testDeflatedWindows tests every window size, in both directions.
func testDeflatedWindows(e *env) {
	for bits := minWindow; bits <= maxWindow; bits++ {
		r, c := e.attachBy(Handshake{Window: bits})
		e.echoDeflated(r)
		for _, want := range []string{"Hello", sample(1000), sample(20_000), apart(1<<bits, 50_000)} {
			go c.Conn.Write(masked(finBit|rsv1|ws.OpBinary, wstest.Narrow(want, bits))) //nolint:errcheck // the echo shows it
			f, err := gobwas.ReadFrame(c.r)
			if err != nil {
				e.Fatal(err)
			}
			got := f.Payload
			if f.Header.Rsv1() {
				got, err = inflateWithin(f.Payload, 1<<bits)
			}
			if err != nil || string(got) != want {
				e.Errorf("%d bits, %d bytes: got %d, %v", bits, len(want), len(got), err)
			}
			if len(want) == 20_000 && len(f.Payload) > 15_000 {
				e.Errorf("%d bits: %d bytes are %d on the line", bits, len(want), len(f.Payload))
			}
		}
		c.Close()
	}
}
