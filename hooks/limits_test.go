package hooks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
	"github.com/wirepost/wirepost/internal/testlog"
)

// TestSlowHookHoldsNoLoop: while the backend decides about one client, the only loop serves
// the others; when that client leaves, its request is canceled.
func TestSlowHookHoldsNoLoop(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	arrived, canceled := make(chan struct{}), make(chan struct{})
	b.answer("connect", func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(canceled)
	})
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.host+"/poll", nil)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	wait(t, "the question", arrived)
	other := s.dial("token=7")
	if _, err := s.Push(t.Context(), wirepost.Push{To: "user:7", Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	if got := other.next(); got != "1" {
		t.Errorf("got %s", got)
	}
	leave()
	wait(t, "the client to leave", left)
	wait(t, "the request to be canceled", canceled)
	eventually(t, "it is counted", func() bool { return requests(s.hooks, "connect", "canceled") == 1 })
}

// TestConcurrency: no more requests than allowed are under way, a bounded number waits, and
// the rest is refused at once.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	const most = 2
	arrived, release := make(chan struct{}), make(chan struct{})
	var now atomic.Int32
	h := newHooks(t, hooks.Options{Concurrency: most, Timeout: patience}, func(*http.Request) (*http.Response, error) {
		defer now.Add(-1)
		if now.Add(1) > most {
			t.Error("too many at the same time")
		}
		arrived <- struct{}{}
		<-release
		return answer(200, `{"user":"42"}`), nil
	})
	const waiting = 16 * most
	var asking sync.WaitGroup
	var busy atomic.Int32
	for range most + waiting + 5 {
		asking.Go(func() {
			if _, err := h.Authenticate(httptest.NewRequest("GET", "/ws", nil)); err != nil {
				if e := wirepost.AsError(err); e.Code != wirepost.CodeUnavailable || e.RetryAfter == 0 {
					t.Error(err)
				}
				busy.Add(1)
			}
		})
	}
	for range most {
		wait(t, "a request", arrived)
	}
	eventually(t, "the rest is refused", func() bool { return busy.Load() == 5 })
	if n := h.Stats()[0].InFlight; n != most {
		t.Errorf("%d requests under way", n)
	}
	close(release)
	for range waiting {
		wait(t, "a request", arrived)
	}
	asking.Wait()
	if requests(h, "connect", "ok") != most+waiting || requests(h, "connect", "busy") != 5 {
		t.Errorf("%+v", h.Stats()[0])
	}
}

// TestBreaker: while the backend is down for an hour, clients are refused at once and
// hardly any request is sent; soon after it is up again, clients are served.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		sent, up := 0, false
		o := hooks.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
		h := newHooks(t, o, func(r *http.Request) (*http.Response, error) {
			if sent++; !up {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(200, `{"user":"42"}`), nil
		})
		ask := func() (time.Duration, *wirepost.Error) {
			begun := time.Now()
			_, err := h.Authenticate(httptest.NewRequest("GET", "/ws", nil))
			return time.Since(begun), wirepost.AsError(err)
		}
		down := time.Now()
		for time.Since(down) < time.Hour {
			took, err := ask()
			if err == nil || err.Code != wirepost.CodeUnavailable || err.RetryAfter < time.Second {
				t.Fatal(err)
			}
			if took != 0 && took != 5*time.Second {
				t.Fatalf("refused after %s", took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if sent < 100 || sent > 10+3600/10 {
			t.Errorf("%d requests in an hour", sent)
		}
		if s := h.Stats()[0]; !s.BreakerOpen || s.Opened != 1 || s.Requests["timeout"] != uint64(sent) || s.Requests["open"] < 10_000 || s.Seconds.Count != uint64(sent) {
			t.Errorf("%+v", s)
		} else if s.Failures != sent || s.Latency < 4*time.Second || !strings.Contains(s.LastError, "within 5s") || time.Since(s.LastFail) > 16*time.Second {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(log.String(), "level=WARN"); n > 3600/10+2 {
			t.Errorf("%d warnings", n)
		}
		up = true
		var err *wirepost.Error
		begun := time.Now()
		for {
			if _, err = ask(); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if since := time.Since(begun); since > 11*time.Second || h.Stats()[0].BreakerOpen || h.Stats()[0].Failures != 0 {
			t.Errorf("served after %s", since)
		}
		if !strings.Contains(log.String(), "responds again") {
			t.Error("not logged")
		}
	})
}

// TestStorm: 5000 clients that connect at once to a server whose backend accepts
// connections and never answers have a response within the timeout; hardly more than 256
// requests are sent, and none for the next 5000 clients.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, now, most atomic.Int32
		h := newHooks(t, hooks.Options{}, func(r *http.Request) (*http.Response, error) {
			sent.Add(1)
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		storm := func() time.Duration {
			var clients sync.WaitGroup
			begun := time.Now()
			for range 5000 {
				clients.Go(func() {
					if _, err := h.Authenticate(httptest.NewRequest("GET", "/ws", nil)); wirepost.AsError(err).Code != wirepost.CodeUnavailable {
						t.Error(err)
					}
				})
			}
			clients.Wait()
			return time.Since(begun)
		}
		if took := storm(); took != 5*time.Second {
			t.Errorf("the last response after %s", took)
		}
		s := h.Stats()[0]
		first := sent.Load() // some take the places of the first ones that fail
		if first < 256 || first > 256+10 || most.Load() > 256 || s.InFlight != 0 || !s.BreakerOpen || s.Requests["timeout"] != uint64(first) ||
			s.Requests["busy"]+s.Requests["open"] != 5000-uint64(first) {
			t.Errorf("%d sent, at most %d at once: %+v", first, most.Load(), s)
		}
		if took := storm(); took != 0 || sent.Load() != first {
			t.Errorf("while the breaker is open: %s, %d sent", took, sent.Load()-first)
		}
	})
}

// TestOneClientOpensNoBreaker: requests of one client that make the backend fail do not cut
// off the others, while failures of several clients do, and so does a backend that cannot
// be reached.
func TestOneClientOpensNoBreaker(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer  func() (*http.Response, error)
		clients int
		open    bool
	}{
		"one client":   {func() (*http.Response, error) { return answer(500, ""), nil }, 1, false},
		"many clients": {func() (*http.Response, error) { return answer(500, ""), nil }, 2, true},
		"unreachable":  {func() (*http.Response, error) { return nil, errors.New("connection refused") }, 1, true},
		"refusals":     {func() (*http.Response, error) { return answer(403, ""), nil }, 2, false},
		"call errors":  {func() (*http.Response, error) { return answer(400, ""), nil }, 2, false},
	} {
		h := newHooks(t, hooks.Options{}, func(*http.Request) (*http.Response, error) { return tt.answer() })
		var o wirepost.Options
		h.Apply(&o)
		for i := range 30 {
			s := wirepost.Session{Connection: string(rune('a' + i%tt.clients)), User: "42"}
			if _, err := o.OnCall(t.Context(), s, "m", nil); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		for _, s := range h.Stats() {
			if s.BreakerOpen != (tt.open && s.Hook == "call") {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
}

// TestNew: options that cannot work are refused, without showing a secret.
func TestNew(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]hooks.Options{
		`connect: it is not an http or https URL`: {Connect: "app.example.com/topsecret"},
		`call: it is not an http or https URL`:    {Call: "ftp://topsecret@x/topsecret?topsecret"},
		`fragment`:                                {URL: "http://topsecret@x/topsecret?topsecret#topsecret"},
		`begin with whsec_`:                       {URL: "http://x/", Secrets: []string{"topsecret"}},
		`at least 24 are needed`:                  {URL: "http://x/", Secrets: []string{oldSecret, "whsec_dG9wc2VjcmV0"}},
		`a timeout, concurrency or`:               {URL: "http://x/", Timeout: -1},
	} {
		_, err := hooks.New(o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "dG9wc2VjcmV0") {
			t.Errorf("%v, not %s", err, want)
		}
	}
	var o wirepost.Options
	h, err := hooks.New(hooks.Options{Message: "http://ada:topsecret@x/topsecret?key=topsecret", Call: "http://y/"})
	if err != nil {
		t.Fatal(err)
	}
	h.Apply(&o)
	if url := h.Stats()[0].URL; url != "http://x/…" {
		t.Errorf("the URL in the statistics is %s", url)
	}
	if o.Authenticate != nil || o.OnSubscribe != nil || o.OnPublish != nil || o.OnMessage == nil || o.OnCall == nil || len(h.Stats()) != 2 {
		t.Errorf("%+v", o)
	}
}

// TestURLIsNotLogged: a key in the URL, such as that of a service for chats, is not in the log,
// nor in what statistics and errors say.
func TestURLIsNotLogged(t *testing.T) {
	t.Parallel()
	var log testlog.Buffer
	h, err := hooks.New(hooks.Options{
		Message: "http://topsecret:topsecret@127.0.0.1:1/topsecret?key=topsecret", Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	var o wirepost.Options
	h.Apply(&o)
	for range 10 { // its breaker opens
		_, err = o.OnMessage(t.Context(), wirepost.Session{User: "42"}, wirepost.Frame{Data: []byte("1")})
	}
	all := fmt.Sprint(log.String(), h.Stats(), err, errors.Unwrap(err))
	if !strings.Contains(log.String(), "url=http://127.0.0.1:1/…") || !strings.Contains(log.String(), "is not asked") || strings.Contains(all, "topsecret") {
		t.Error(all)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// newHooks makes hooks without a network.
func newHooks(t testing.TB, o hooks.Options, f roundTrip) *hooks.Hooks {
	t.Helper()
	o.URL, o.Transport = "http://backend.test/", f
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := hooks.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func requests(h *hooks.Hooks, kind, result string) uint64 {
	for _, s := range h.Stats() {
		if s.Hook == kind {
			return s.Requests[result]
		}
	}
	return 0
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
