package conn

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/httphead"
	gobwas "github.com/gobwas/ws"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/internal/ws"
	"github.com/wirepost/wirepost/internal/ws/wstest"
)

// patience limits what only takes long if it fails.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// env is one loop and a way to connect to it.
type env struct {
	testing.TB
	loop *Loop
	pair pairFunc
	fake bool // time is that of synctest
}

// inEnv runs a test with its own loop, in a synctest bubble if the pair is in memory.
func inEnv(t *testing.T, pair pairFunc, fake bool, cfg Config, test func(*env)) {
	t.Helper()
	t.Parallel()
	body := func(t *testing.T) {
		e := &env{TB: t, loop: NewLoop(cfg), pair: pair, fake: fake}
		e.loop.Post(Func(func() {
			if !fake {
				e.loop.closeTimeout = time.Hour
			}
		}))
		defer e.loop.Close()
		test(e)
	}
	if fake {
		synctest.Test(t, body)
	} else {
		body(t)
	}
}

// on runs f on the loop and waits for it.
func (e *env) on(f func()) {
	e.Helper()
	done := make(chan struct{})
	if !e.loop.Post(Func(func() { f(); close(done) })) {
		e.Fatal("the loop is closed")
	}
	<-done
}

// shortClose makes closing handshakes time out early where time is real. Other tests
// must not time out on a slow machine.
func (e *env) shortClose() {
	if !e.fake {
		e.on(func() { e.loop.closeTimeout = 200 * time.Millisecond })
	}
}

// settle waits until all goroutines are idle, where that can be known.
func (e *env) settle() {
	if e.fake {
		synctest.Wait()
	}
}

// attach serves a connection and returns its recorder and the client's side.
func (e *env) attach(early ...byte) (*recorder, *rawClient) {
	e.Helper()
	return e.attachBy(Handshake{Early: early})
}

func (e *env) attachBy(hs Handshake) (*recorder, *rawClient) {
	e.Helper()
	server, client := e.pair(e)
	r := newRecorder(e)
	if err := e.loop.Attach(server, hs, r.attach); err != nil {
		e.Fatal(err)
	}
	<-r.attached
	return r, newRawClient(e, client)
}

// gorilla serves a connection after a real handshake of an independent client.
func (e *env) gorilla() (*recorder, *websocket.Conn) {
	e.Helper()
	return e.gorillaBy(websocket.Dialer{})
}

func (e *env) gorillaBy(dialer websocket.Dialer) (r *recorder, c *websocket.Conn) {
	e.Helper()
	r = e.handshake(func(client net.Conn) (err error) {
		dialer.NetDial = func(string, string) (net.Conn, error) { return client, nil }
		c, _, err = dialer.Dial("ws://test/", nil)
		return err
	})
	e.Cleanup(func() { c.Close() })
	return r, c
}

// handshake serves a connection that a client dials, with compression if offered.
func (e *env) handshake(dial func(client net.Conn) error) *recorder {
	e.Helper()
	server, client := e.pair(e)
	r := newRecorder(e)
	upgraded := make(chan error, 1)
	go func() {
		window, err := upgrade(server)
		if err == nil {
			err = e.loop.Attach(server, Handshake{Window: window}, r.attach)
		}
		upgraded <- err
	}()
	if err := dial(client); err != nil {
		e.Fatal(err)
	}
	if err := <-upgraded; err != nil {
		e.Fatal(err)
	}
	<-r.attached
	return r
}

// upgrade accepts a handshake, and returns the negotiated window.
func upgrade(server net.Conn) (window int, err error) {
	var offers []string
	u := gobwas.Upgrader{
		ExtensionCustom: func(value []byte, none []httphead.Option) ([]httphead.Option, bool) {
			offers = append(offers, string(value))
			return none, true
		},
		OnBeforeUpgrade: func() (gobwas.HandshakeHeader, error) {
			var extension string
			if extension, window = ws.NegotiateDeflate(offers); window == 0 {
				return nil, nil
			}
			return gobwas.HandshakeHeaderHTTP{"Sec-WebSocket-Extensions": {extension}}, nil
		},
	}
	_, err = u.Upgrade(server)
	return window, err
}

// recorder is a Handler that records its calls.
type recorder struct {
	tb        testing.TB
	Conn      Conn
	attached  chan struct{}
	events    chan string
	closeInfo CloseInfo // after the event closed

	// Called on the loop after the call is recorded.
	onAttach  func()
	onMessage func(binary bool, payload []byte)
	onDrained func()
	onClosed  func()

	closed  bool
	closing chan CloseInfo // the argument of Closing
}

func newRecorder(tb testing.TB) *recorder {
	return &recorder{tb: tb, attached: make(chan struct{}), closing: make(chan CloseInfo, 1), events: make(chan string, 1<<16)}
}

func (r *recorder) attach(c Conn) Handler {
	r.Conn = c
	if r.onAttach != nil {
		r.onAttach()
	}
	close(r.attached)
	return r
}

func (r *recorder) record(format string, args ...any) {
	if r.closed {
		r.tb.Errorf("a call after Closed: "+format, args...)
	}
	r.events <- fmt.Sprintf(format, args...)
}

func (r *recorder) Message(binary bool, payload []byte) {
	kind := "text"
	if binary {
		kind = "binary"
	}
	if r.onMessage != nil {
		r.onMessage(binary, payload)
	}
	r.record("%s %q", kind, payload)
}

func (r *recorder) Ping([]byte)         {}
func (r *recorder) Pong(payload []byte) { r.record("pong %q", payload) }

func (r *recorder) Drained() {
	if r.onDrained != nil {
		r.onDrained()
	}
	r.record("drained")
}

func (r *recorder) Closing(e CloseInfo) {
	if r.closed {
		r.tb.Errorf("Closing was called after Closed: %v", e)
	}
	select {
	case r.closing <- e:
	default:
		r.tb.Errorf("Closing was called again: %v", e)
	}
}

// isClosing waits for the call of Closing.
func (r *recorder) isClosing(code int) {
	r.tb.Helper()
	select {
	case e := <-r.closing:
		if e.Code != code {
			r.tb.Errorf("Closing was called with %d, want %d", e.Code, code)
		}
	case <-time.After(patience):
		r.tb.Fatal("Closing was not called")
	}
}

func (r *recorder) Closed(e CloseInfo) {
	r.closeInfo = e
	side := "peer"
	if e.Local {
		side = "local"
	}
	r.record("closed %d %q %s", e.Code, e.Reason, side)
	r.closed = true
	if r.onClosed != nil {
		r.onClosed()
	}
}

// next returns the next recorded call.
func (r *recorder) next() string {
	r.tb.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(patience):
		r.tb.Fatal("nothing happened")
		return ""
	}
}

func (r *recorder) expect(want ...string) {
	r.tb.Helper()
	for _, w := range want {
		if got := r.next(); got != w {
			r.tb.Fatalf("got %s, want %s", got, w)
		}
	}
}

// none fails if another call was recorded.
func (r *recorder) none() {
	r.tb.Helper()
	select {
	case e := <-r.events:
		r.tb.Fatalf("unexpected: %s", e)
	default:
	}
}

// noError, someError and isError check CloseInfo.Err, after the closed event.
func (r *recorder) noError() { r.tb.Helper(); r.isError(nil) }

func (r *recorder) isError(want error) {
	r.tb.Helper()
	if got := r.closeInfo.Err; !errors.Is(got, want) {
		r.tb.Errorf("closed with error %v, want %v", got, want)
	}
}

func (r *recorder) someError() {
	r.tb.Helper()
	if r.closeInfo.Err == nil {
		r.tb.Error("ended without an error")
	}
}

// rawClient sends and receives bytes.
type rawClient struct {
	testing.TB
	net.Conn
	r *bufio.Reader
}

func newRawClient(tb testing.TB, nc net.Conn) *rawClient {
	return &rawClient{TB: tb, Conn: nc, r: bufio.NewReader(nc)}
}

func (c *rawClient) send(frames ...[]byte) {
	c.Helper()
	for _, f := range frames {
		if len(f) == 0 {
			continue // the server may have closed; a Unix socket reports that as a write error too
		}
		if _, err := c.Conn.Write(f); err != nil {
			c.Fatal(err)
		}
	}
}

// frame reads a frame of the server, and checks its form.
func (c *rawClient) frame() (op byte, payload []byte) {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	h, err := gobwas.ReadHeader(c.r)
	if err != nil {
		c.Fatal(err)
	}
	if h.Masked || !h.Fin || h.Rsv != 0 {
		c.Fatalf("a server must not send %+v", h)
	}
	payload = make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		c.Fatal(err)
	}
	return byte(h.OpCode), payload
}

func (c *rawClient) expect(op byte, payload string) {
	c.Helper()
	gotOp, got := c.frame()
	if gotOp != op || string(got) != payload {
		c.Fatalf("got frame %d %q, want %d %q", gotOp, got, op, payload)
	}
}

// expectClose reads a close frame with this code; 0 means none.
func (c *rawClient) expectClose(code int) {
	c.Helper()
	op, payload := c.frame()
	if op != ws.OpClose {
		c.Fatalf("got frame %d %q, want close", op, payload)
	}
	got := 0
	if len(payload) > 0 {
		got = int(payload[0])<<8 | int(payload[1])
	}
	if got != code {
		c.Fatalf("close code %d, want %d", got, code)
	}
}

// expectEOF checks that nothing more arrives and that the connection closed cleanly,
// not with a reset.
func (c *rawClient) expectEOF() {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	rest, err := io.ReadAll(c.r)
	if len(rest) > 0 || err != nil {
		c.Fatalf("got %q and %v, want EOF", rest, err)
	}
}

// Frames of clients, from wstest.
var (
	masked        = wstest.Masked
	textFrame     = wstest.Text
	binaryFrame   = wstest.Binary
	controlFrame  = wstest.Control
	closeFrame    = wstest.Close
	begins        = wstest.Begins
	continues     = wstest.Continues
	ends          = wstest.Ends
	frames        = wstest.Join
	squeezed      = wstest.Squeezed
	squeezedIn    = wstest.SqueezedIn
	deflatedText  = wstest.Deflated
	sample        = wstest.JSON
	noise         = wstest.Noise
	apart         = wstest.Apart
	inflateWithin = wstest.InflateWithin
	parseCases    = wstest.Parsed
	deflateCases  = wstest.Inflated
)

const (
	testMax = wstest.MaxMessage
	finBit  = 0x80
	rsv1    = 0x40

	// The compression threshold and the windows of internal/ws.
	minDeflate = 256
	minWindow  = 8
	maxWindow  = 15
)

func serverText(s string) []byte { return ws.AppendFrame(nil, ws.OpText, []byte(s)) }
