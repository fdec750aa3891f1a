package wirepost_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/internal/testlog"
)

// patience is how long a test waits for an expected event. It does not measure speed: a
// test that waits that long has failed.
const patience = 2 * time.Minute

// node is a server under test with real connections to it.
type node struct {
	*wirepost.Server
	t        testing.TB
	engine   engine.Engine
	dialer   *websocket.Dialer
	http     *http.Client
	host     string
	path     string // of dial; "" means /ws
	patience time.Duration
	loop     atomic.Pointer[func(context.Context, *wirepost.Conn) error] // serves /loop
}

// onDisk makes a node keep its store on disk.
func onDisk(t testing.TB) func(*wirepost.Options) {
	return func(o *wirepost.Options) {
		e, err := pebble.Open(t.TempDir(), pebble.Options{Logger: o.Logger})
		if err != nil {
			t.Fatal(err)
		}
		o.Engine = e
	}
}

// byQuery is the identity of dev mode: the user in ?user=.
func byQuery(r *http.Request) (wirepost.Identity, error) {
	user := r.URL.Query().Get("user")
	if user == "" {
		return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "no user")
	}
	return wirepost.Identity{
		User: user, Subscribe: []string{"*"}, Publish: []string{"*", wirepost.InboxOf(user)},
	}, nil
}

// newNode starts a server on loopback TCP.
func newNode(t testing.TB, change ...func(*wirepost.Options)) *node {
	t.Helper()
	n := makeNode(t, change)
	hs := httptest.NewServer(n.routes())
	t.Cleanup(hs.Close)
	n.host = strings.TrimPrefix(hs.URL, "http://")
	n.dialer, n.http = &websocket.Dialer{HandshakeTimeout: patience}, hs.Client()
	t.Cleanup(n.stop)
	return n
}

// newPipeNode starts a server inside a synctest bubble: connections are pipes and time
// is the bubble's.
func newPipeNode(t testing.TB, change ...func(*wirepost.Options)) *node {
	t.Helper()
	n := makeNode(t, change)
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	hs := &http.Server{Handler: n.routes(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		hs.Serve(l) //nolint:errcheck // it ends with Close
	}()
	t.Cleanup(func() {
		n.stop()
		hs.Close()
		<-served
	})
	n.host, n.patience = "wirepost.test", 24*time.Hour // the bubble's time passes instantly
	n.dialer = &websocket.Dialer{NetDialContext: l.dial}
	n.http = &http.Client{Transport: &http.Transport{DialContext: l.dial}}
	t.Cleanup(n.http.CloseIdleConnections)
	return n
}

func makeNode(t testing.TB, change []func(*wirepost.Options)) *node {
	t.Helper()
	o := wirepost.Options{
		Engine: memory.New(memory.Options{}), Authenticate: byQuery, Loops: 2,
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&o)
	}
	srv, err := wirepost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &node{Server: srv, t: t, engine: o.Engine, patience: patience}
}

// routes serves all endpoints: a WebSocket on any other path.
func (n *node) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", n)
	mux.Handle("/echo", n.Echo())
	mux.Handle("/loop", n.Handle(func(ctx context.Context, c *wirepost.Conn) error { return (*n.loop.Load())(ctx, c) }))
	mux.Handle("/sse", n.Events())
	mux.Handle("/poll", n.Poll())
	return mux
}

func (n *node) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n.Shutdown(ctx) //nolint:errcheck // it is cut short on purpose
	n.engine.Close()
}

func (n *node) push(p wirepost.Push) wirepost.PushResult {
	n.t.Helper()
	pushed, err := n.Push(context.Background(), p)
	if err != nil {
		n.t.Fatalf("push to %s: %v", p.To, err)
	}
	return pushed
}

// text pushes a text message.
func (n *node) text(to, text string) wirepost.PushResult {
	n.t.Helper()
	return n.push(wirepost.Push{To: to, Data: []byte(text), ContentType: "text/plain"})
}

// client is an independent WebSocket client (gorilla/websocket).
type client struct {
	*websocket.Conn
	t        testing.TB
	patience time.Duration
}

// dial connects; query begins with the user's name: "42&device=d1".
func (n *node) dial(query string, protocols ...string) *client {
	n.t.Helper()
	c, resp, err := n.tryDial("user="+query, protocols...)
	if err != nil {
		n.t.Fatalf("dial %s: %v %v", query, err, resp)
	}
	return c
}

func (n *node) dialV1(query string) (*client, frame) {
	n.t.Helper()
	c := n.dial(query, "wirepost.v1")
	return c, c.frame("hello")
}

func (n *node) tryDial(query string, protocols ...string) (*client, *http.Response, error) {
	d := *n.dialer
	d.Subprotocols = protocols
	u := url.URL{Scheme: "ws", Host: n.host, Path: cmp.Or(n.path, "/ws"), RawQuery: query}
	c, resp, err := d.Dial(u.String(), nil)
	if err != nil {
		return nil, resp, err
	}
	n.t.Cleanup(func() { c.Close() })
	return &client{Conn: c, t: n.t, patience: n.patience}, resp, nil
}

// next returns the next data message.
func (c *client) next() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(c.patience))
	_, data, err := c.ReadMessage()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return string(data)
}

func (c *client) want(messages ...string) {
	c.t.Helper()
	for i, want := range messages {
		if got := c.next(); got != want {
			c.t.Fatalf("message %d: got %q, want %q", i, got, want)
		}
	}
}

// closeCode reads until the connection is closed, and returns its close code.
func (c *client) closeCode() int {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(c.patience))
	for {
		_, _, err := c.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return closed.Code
		case err != nil:
			return 1006
		}
	}
}

// leave closes the connection like a browser, and waits for the reply.
func (c *client) leave() {
	c.t.Helper()
	err := c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(c.patience))
	if err != nil {
		c.t.Fatal(err)
	}
	c.closeCode()
	c.Close()
}

// frame is a wirepost.v1 object.
type frame map[string]any

func (f frame) num(name string) uint64 { n, _ := f[name].(float64); return uint64(n) }
func (f frame) str(name string) string { s, _ := f[name].(string); return s }

// channel is the hello's entry for a channel.
func (f frame) channel(name string) frame {
	all, _ := f["channels"].(map[string]any)
	one, _ := all[name].(map[string]any)
	return one
}

// frame returns the next object, which must have that type.
func (c *client) frame(kind string) frame {
	c.t.Helper()
	text := c.next()
	var f frame
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		c.t.Fatalf("frame %s: %v", text, err)
	}
	if f["type"] != kind {
		c.t.Fatalf("got %s, want a frame of type %s", text, kind)
	}
	return f
}

// message returns the next object, which must be a message with that data.
func (c *client) message(data string) frame {
	c.t.Helper()
	f := c.frame("message")
	if got, _ := json.Marshal(f["data"]); string(got) != data {
		c.t.Fatalf("got the data %s, want %s", got, data)
	}
	return f
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		c.t.Fatal(err)
	}
}

// pingless makes a client that never replies to a ping.
func (c *client) pingless() *client {
	c.SetPingHandler(func(string) error { return nil })
	return c
}

// eventually waits for a condition that another goroutine makes true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("still not true: %s", what)
		}
	}
}

// cursor is the sequence that a device acknowledged in a channel.
func (n *node) cursor(user, channel, device string) uint64 {
	n.t.Helper()
	info, err := n.User(context.Background(), user)
	if err != nil {
		n.t.Fatal(err)
	}
	return info.Channels[channel].Devices[device]
}

// json pushes a JSON message.
func (n *node) json(to, data string) wirepost.PushResult {
	n.t.Helper()
	return n.push(wirepost.Push{To: to, Data: []byte(data)})
}

func (n *node) gone(user string) {
	n.t.Helper()
	eventually(n.t, user+" is offline", func() bool { return n.online(user) == 0 })
}

// pipeListener accepts in-memory connections.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// lockedBuffer collects a log.
type lockedBuffer = testlog.Buffer

// online is the number of a user's connections.
func (n *node) online(userID string) int {
	n.t.Helper()
	count, err := n.Online(context.Background(), userID)
	if err != nil {
		n.t.Error(err)
	}
	return count
}

// sessions lists a user's connections.
func (n *node) sessions(userID string) []wirepost.Session {
	n.t.Helper()
	list, err := n.Sessions(context.Background(), userID)
	if err != nil {
		n.t.Error(err)
	}
	return list
}

// wantOption checks that an error of New is about an option.
func wantOption(t *testing.T, err error, option string) {
	t.Helper()
	var e *wirepost.OptionError
	if !errors.As(err, &e) || e.Option != option || !strings.HasPrefix(err.Error(), "wirepost: Options."+option+": ") {
		t.Errorf("error %v, want one for %s", err, option)
	}
}
