package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/httpapi"
)

// site is a real server in a synctest bubble: connections are pipes, and the clock is the
// bubble's. It can be stopped and restarted with the same engine.
type site struct {
	t      testing.TB
	engine engine.Engine
	change func(*wirepost.Options)

	*wirepost.Server
	pipes atomic.Pointer[pipes] // atomic: replaced while clients dial
	http  *http.Server
	done  chan struct{}
}

// byQuery authenticates as dev mode does: ?user= names the user.
func byQuery(r *http.Request) (wirepost.Identity, error) {
	user := r.URL.Query().Get("user")
	if user == "" {
		return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "no user")
	}
	return wirepost.Identity{
		User: user, Subscribe: []string{"*"}, Publish: []string{"*", wirepost.InboxOf(user)},
	}, nil
}

func newSite(t testing.TB, change func(*wirepost.Options)) *site {
	t.Helper()
	s := &site{t: t, engine: memory.New(memory.Options{}), change: change}
	s.start()
	t.Cleanup(func() {
		s.stop()
		s.engine.Close()
		time.Sleep(time.Second) // of the bubble: net/http closes some connections slowly
	})
	return s
}

func (s *site) start() {
	s.t.Helper()
	o := wirepost.Options{
		Engine: s.engine, Authenticate: byQuery, Loops: 1, Logger: slog.New(slog.DiscardHandler),
	}
	if s.change != nil {
		s.change(&o)
	}
	srv, err := wirepost.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	api := httpapi.New(srv, httpapi.Options{Keys: []string{apiKey}, Logger: o.Logger})
	mux.Handle("/v1/", api)
	mux.Handle("/readyz", api)
	l := newPipes()
	s.pipes.Store(l)
	s.Server, s.done = srv, make(chan struct{})
	s.http = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func(hs *http.Server, done chan struct{}) {
		defer close(done)
		hs.Serve(l) //nolint:errcheck // returns on Close
	}(s.http, s.done)
}

const apiKey = "0123456789abcdef0123456789abcdef"

// stop closes the server without a goodbye, which to its clients looks like a crash.
func (s *site) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(ctx) //nolint:errcheck // canceled on purpose
	s.http.Close()
	<-s.done
}

func (s *site) dialer(ctx context.Context, network, address string) (net.Conn, error) {
	return s.pipes.Load().dial(ctx, network, address)
}

// dial connects a client; query starts with the user ID: "42&device=d1".
func (s *site) dial(query string, change ...func(*client.Options)) *client.Client {
	s.t.Helper()
	c, err := s.tryDial(query, change...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (s *site) tryDial(query string, change ...func(*client.Options)) (*client.Client, error) {
	o := client.Options{DialContext: s.dialer}
	for _, f := range change {
		f(&o)
	}
	return client.Dial(s.t.Context(), "ws://wirepost.test/ws?user="+query, o)
}

func (s *site) push(to, text string) wirepost.PushResult {
	s.t.Helper()
	pushed, err := s.Push(context.Background(), wirepost.Push{To: to, Data: []byte(text), ContentType: "text/plain"})
	if err != nil {
		s.t.Fatal(err)
	}
	return pushed
}

// pushNumbers pushes the numbers from first to last.
func (s *site) pushNumbers(to string, first, last int) {
	s.t.Helper()
	for i := first; i <= last; i++ {
		s.push(to, strconv.Itoa(i))
	}
}

// cursor returns the sequence a device has acknowledged in a channel.
func (s *site) cursor(user, channel, device string) uint64 {
	s.t.Helper()
	info, err := s.User(context.Background(), user)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Channels[channel].Devices[device]
}

// take reads n messages and returns their texts, joined with spaces.
func take(t testing.TB, c *client.Client, n int) string {
	t.Helper()
	if n == 0 {
		return ""
	}
	// In a bubble the clock would advance without limit if a message never arrived.
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var texts []string
	for msg, err := range c.Messages(ctx) {
		if err != nil {
			t.Fatalf("after %q: %v", texts, err)
		}
		texts = append(texts, string(msg.Data))
		if len(texts) == n {
			if err := msg.Ack(); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	return strings.Join(texts, " ")
}

// none checks that no message arrives for a while.
func none(t testing.TB, c *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	for msg, err := range c.Messages(ctx) {
		if err == nil {
			t.Fatalf("got %s %d: %s", msg.Channel, msg.Seq, msg.Data)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

// events collects the events of a client.
type events struct {
	mu   sync.Mutex
	list []client.Event
}

func (e *events) add(ev client.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) option(o *client.Options) { o.OnEvent = e.add }

// last returns the latest event of a type.
func last[T client.Event](e *events) (ev T, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.list {
		if of, ok := one.(T); ok {
			ev = of
			n++
		}
	}
	return ev, n
}

// pipes is a listener of in-memory connections.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
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

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
