package console

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/browser"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browser.With(m)) }

const patience = browser.Patience

// site is a server with the console, set up as in the wirepost command.
type site struct {
	*wirepost.Server
	t       *testing.T
	options Options
	keys    []string
	engine  *memory.Engine
	hooks   httpapi.HookSource
	hs      *httptest.Server
	url     string
}

// newSite starts a site in dev mode, or one that requires the key.
func newSite(t *testing.T, key string, change ...func(*wirepost.Options)) *site {
	t.Helper()
	return newHookedSite(t, nil, key, change...)
}

// newHookedSite starts a site whose statistics show hooks.
func newHookedSite(t *testing.T, h httpapi.HookSource, key string, change ...func(*wirepost.Options)) *site {
	t.Helper()
	s := &site{t: t, options: Options{Dev: key == "", Echo: true}, hooks: h}
	if key != "" {
		s.keys = []string{key}
	}
	s.engine = memory.New(memory.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.start(l, change...)
	t.Cleanup(func() {
		s.stop()
		s.engine.Close()
	})
	return s
}

func (s *site) start(l net.Listener, change ...func(*wirepost.Options)) {
	s.t.Helper()
	o := wirepost.Options{
		Engine: s.engine, Logger: slog.New(slog.DiscardHandler), Loops: 1, AckDelay: 50 * time.Millisecond,
		Authenticate: func(r *http.Request) (wirepost.Identity, error) {
			user := r.URL.Query().Get("user")
			if user == "" {
				return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "no user")
			}
			return wirepost.Identity{User: user, Subscribe: []string{"*"}, Publish: []string{"*"}}, nil
		},
	}
	for _, c := range change {
		c(&o)
	}
	_, s.options.Cluster = o.Engine.(engine.Shared)
	s.options.WebPush = o.WebPush.Subject != ""
	srv, err := wirepost.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Server = srv
	routes := Routes(s.options)
	routes["/ws"], routes["/sse"], routes["/poll"], routes["/echo"] = srv, srv.Events(), srv.Poll(), srv.Echo()
	api := httpapi.New(srv, httpapi.Options{Keys: s.keys, Dev: s.options.Dev, Logger: o.Logger, Hooks: s.hooks, Settings: siteSettings})
	s.hs = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := routes[r.URL.Path]; ok {
			h.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})}}
	s.hs.Start()
	s.url = s.hs.URL
}

func (s *site) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(ctx) //nolint:errcheck // canceled on purpose
	s.hs.CloseClientConnections()
	s.hs.Close()
}

// push pushes text, or JSON if it looks like an object.
func (s *site) push(channel, data string) uint64 {
	s.t.Helper()
	p := wirepost.Push{To: channel, Data: []byte(data)}
	if !strings.HasPrefix(data, "{") {
		p.ContentType = "text/plain"
	}
	done, err := s.Push(context.Background(), p)
	if err != nil {
		s.t.Fatal(err)
	}
	return done.Seq
}

// client is a connection that reads everything, unless it is stuck.
func (s *site) client(query string, protocols ...string) *websocket.Conn {
	s.t.Helper()
	d := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: protocols}
	c, _, err := d.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/ws?user="+query, http.Header{"User-Agent": {"a client of the test"}})
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, r, err := c.NextReader(); err != nil {
				return
			} else if _, err := io.Copy(io.Discard, r); err != nil {
				return
			}
		}
	}()
	s.t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c
}

// open opens a section of the console in a new tab.
func (s *site) open(place string) context.Context {
	s.t.Helper()
	tab := browser.Open(s.t)
	browser.Visit(s.t, tab, s.url+"/console"+place)
	return tab
}

// says waits until an element's text contains all the words.
func says(t *testing.T, tab context.Context, selector string, words ...string) {
	t.Helper()
	for _, w := range words {
		browser.Wait(t, tab, fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%q))", selector, w))
	}
}

// onDisk makes a site keep its messages in files.
func onDisk(t *testing.T) func(*wirepost.Options) {
	t.Helper()
	store, err := pebble.Open(t.TempDir(), pebble.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return func(o *wirepost.Options) { o.Engine = store }
}

// accessible checks a page with axe.
func accessible(t *testing.T, tab context.Context) {
	t.Helper()
	for _, v := range browser.Violations(t, tab) {
		t.Error(v)
	}
}
