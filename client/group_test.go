package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/client"
)

// requests records the pushes that a Backend sends, and can hold or change them.
type requests struct {
	next http.RoundTripper
	// around, if set, is called with each request and its lines.
	around func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error)

	mu   sync.Mutex
	list [][]string // the lines of each request
}

func (q *requests) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body.Close()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	q.mu.Lock()
	q.list = append(q.list, strings.Split(strings.TrimSuffix(string(body), "\n"), "\n"))
	n := len(q.list)
	q.mu.Unlock()
	if q.around == nil {
		return q.next.RoundTrip(r)
	}
	return q.around(n, r, q.next)
}

// sizes returns the number of lines of each request.
func (q *requests) sizes() (sizes []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, lines := range q.list {
		sizes = append(sizes, len(lines))
	}
	return sizes
}

// recorded returns a Backend whose requests are recorded.
func (s *site) recorded(o client.BackendOptions) (*client.Backend, *requests) {
	s.t.Helper()
	q := &requests{next: transportOver(s.t, s.dialer)}
	o.Key, o.HTTP = apiKey, &http.Client{Transport: q}
	return newBackend(s.t, o), q
}

// hold holds the first request until the function that it returns is called. The others are
// sent by rest; nil: as they are.
func (q *requests) hold(rest func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error)) (release func()) {
	held := make(chan struct{})
	q.around = func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if n == 1 {
			<-held
		} else if rest != nil {
			return rest(n, r, next)
		}
		return next.RoundTrip(r)
	}
	return func() { close(held) }
}

// pushing is a call of Push.
type pushing struct {
	ctx    context.Context
	push   client.Push
	result client.PushResult
	err    error
	cancel context.CancelFunc
	done   chan struct{}
}

// begin calls Push in a goroutine.
func begin(t *testing.T, b *client.Backend, push client.Push) *pushing {
	p := &pushing{push: push, done: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(t.Context())
	t.Cleanup(p.cancel)
	go func() {
		defer close(p.done)
		p.result, p.err = b.Push(p.ctx, push)
	}()
	return p
}

// beginAll begins n pushes of numbers to the channel a, one after the other.
func beginAll(t *testing.T, b *client.Backend, n int) (all []*pushing) {
	for i := range n {
		all = append(all, begin(t, b, number("a", i)))
		synctest.Wait()
	}
	return all
}

func number(to string, i int) client.Push {
	return client.Push{To: to, Data: fmt.Append(nil, i), ID: fmt.Sprint("id-", i)}
}

// TestPushesShareRequests: the first push is sent at once, and those made while it is in
// flight share a request.
func TestPushesShareRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, q := s.recorded(client.BackendOptions{})
		release := q.hold(nil)
		var all []*pushing
		for i := range 64 {
			all = append(all, begin(t, b, number(fmt.Sprint("c", i), i)))
			synctest.Wait()
		}
		release()
		for i, p := range all {
			if <-p.done; p.err != nil || p.result.To != p.push.To || p.result.ID != p.push.ID || p.result.Seq != 1 {
				t.Errorf("push %d: %+v %v", i, p.result, p.err)
			}
		}
		if got := q.sizes(); !slices.Equal(got, []int{1, 63}) {
			t.Errorf("requests of %d pushes", got)
		}
		// A single push is again sent in its own request.
		if _, err := b.Push(t.Context(), number("c", 64)); err != nil {
			t.Error(err)
		}
		if got := q.sizes(); !slices.Equal(got, []int{1, 63, 1}) {
			t.Errorf("requests of %d pushes", got)
		}
	})
}

// TestGroupLimits: a request has at most 256 pushes and 256 KiB, a full group does not wait
// for the previous request, and there are at most four requests in flight.
func TestGroupLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, q := s.recorded(client.BackendOptions{})
		hold := make(chan struct{})
		q.around = func(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			<-hold
			return next.RoundTrip(r)
		}
		all := beginAll(t, b, 1+4*256)
		if got := q.sizes(); !slices.Equal(got, []int{1, 256, 256, 256}) {
			t.Errorf("requests of %d pushes", got)
		}
		for i := range 10 { // of 60 KiB
			all = append(all, begin(t, b, client.Push{To: "b", Data: fmt.Appendf(nil, `"%d%060000d"`, i, 0)}))
			synctest.Wait()
		}
		close(hold)
		for i, p := range all {
			if <-p.done; p.err != nil {
				t.Errorf("push %d: %v", i, p.err)
			}
		}
		got := q.sizes()
		slices.Sort(got[4:])
		if !slices.Equal(got, []int{1, 256, 256, 256, 2, 4, 4, 256}) {
			t.Errorf("requests of %d pushes", got)
		}
		if n := len(s.list("a")); n != 1+4*256 {
			t.Errorf("%d messages", n)
		}
	})
}

// TestGroupRefusals: each push has its own error.
func TestGroupRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, q := s.recorded(client.BackendOptions{})
		release := q.hold(nil)
		var all []*pushing
		for _, push := range []client.Push{
			number("a", 0),
			number("a", 1),
			{To: "no channel", Data: []byte("1")},
			number("a", 1), // a repeat
			{To: "a", Data: make([]byte, 100<<10), ContentType: "a/large"},
			{To: "a", Data: make([]byte, 300<<10), ContentType: "a/larger"},
			{To: "a", Data: []byte("1"), ID: strings.Repeat("x", 200)},
			number("a", 2),
		} {
			all = append(all, begin(t, b, push))
			synctest.Wait()
		}
		release()
		for i, want := range []error{nil, nil, client.ErrBadRequest, nil, client.ErrTooLarge, client.ErrTooLarge, client.ErrBadRequest, nil} {
			p := all[i]
			<-p.done
			if refused, ok := errors.AsType[*client.RefusedError](p.err); !errors.Is(p.err, want) || ok != (want != nil) || ok && refused.Detail == "" {
				t.Errorf("push %d: %v, want %v", i, p.err, want)
			}
			if p.result.Duplicate != (i == 3) {
				t.Errorf("push %d: %+v", i, p.result)
			}
		}
		got := s.list("a")
		if slices.Sort(got); !slices.Equal(got, numbers(0, 2)) {
			t.Errorf("stored: %q", got)
		}
	})
}

// TestGroupCanceled: canceling one call's context affects only that call. A request that no
// call waits for is canceled.
func TestGroupCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, q := s.recorded(client.BackendOptions{})
		first, second, third := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		q.around = func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			switch n {
			case 1:
				<-first
			case 2:
				<-second
			case 3:
				<-r.Context().Done()
				third <- r.Context().Err()
				return nil, r.Context().Err()
			}
			return next.RoundTrip(r)
		}
		isCanceled := func(p *pushing) {
			t.Helper()
			p.cancel()
			if <-p.done; !errors.Is(p.err, context.Canceled) {
				t.Errorf("%s: %v", p.push.Data, p.err)
			}
		}
		all := beginAll(t, b, 5)
		isCanceled(all[2]) // it was not sent
		close(first)
		synctest.Wait()
		isCanceled(all[3]) // it was
		four, five := begin(t, b, number("b", 5)), begin(t, b, number("b", 6))
		synctest.Wait()
		close(second)
		for _, i := range []int{0, 1, 4} {
			if <-all[i].done; all[i].err != nil {
				t.Errorf("push %d: %v", i, all[i].err)
			}
		}
		synctest.Wait()
		isCanceled(four)
		if len(third) > 0 {
			t.Error("the request was canceled although a call waits")
		}
		isCanceled(five)
		if err := <-third; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if got := q.sizes(); !slices.Equal(got, []int{1, 3, 2}) {
			t.Errorf("requests of %d pushes", got)
		}
		if got := s.list("a"); !slices.Equal(got, []string{"0", "1", "3", "4"}) {
			t.Errorf("stored: %q", got)
		}
	})
}

// groupPushes is how many pushes share the request that fails.
const groupPushes = 20

// failure is how a shared request fails.
type failure struct {
	// fail makes the request fail.
	fail func(r *http.Request, next http.RoundTripper) (*http.Response, error)
	wait time.Duration // minimum time before the pushes are sent again
	rest int           // how many are sent again
}

var failures = map[string]failure{
	"reset": {func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return nil, net.ErrClosed
	}, 0, groupPushes},
	"lost": {func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil {
			io.Copy(io.Discard, response.Body) //nolint:errcheck // the response is dropped
			response.Body.Close()
			err = net.ErrClosed
		}
		return nil, err
	}, 0, groupPushes},
	"unavailable": {func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return answerWith(503, "Retry-After", "7"), nil
	}, 7 * time.Second, groupPushes},
	"limited": {func(*http.Request, http.RoundTripper) (*http.Response, error) {
		return answerWith(429, "Retry-After", "7"), nil
	}, 7 * time.Second, groupPushes},
	"broken": {func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return change(r, next, func(lines []string) ([]string, error) {
			return append(lines[:groupPushes/2], lines[groupPushes/2][:10]), io.ErrUnexpectedEOF
		})
	}, 0, groupPushes / 2},
	"ended": {func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return change(r, next, func(lines []string) ([]string, error) { return lines[:groupPushes/2], io.EOF })
	}, 0, groupPushes / 2},
	"unavailable in between": {func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return change(r, next, func(lines []string) ([]string, error) {
			lines[3] = `{"status":503,"code":"unavailable","retry_after":7}` + "\n"
			return lines, io.EOF
		})
	}, 7 * time.Second, 1},
	"slow": {func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
		return change(r, next, func([]string) ([]string, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
	}, 30 * time.Second, groupPushes},
}

// TestGroupFails: however a shared request fails, each push without a result is sent again
// with its ID, and no message is stored twice.
func TestGroupFails(t *testing.T) {
	for name, f := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f.check(t) })
		})
	}
}

func (f *failure) check(t *testing.T) {
	s := newSite(t, nil)
	b, q := s.recorded(client.BackendOptions{})
	release := q.hold(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if n == 2 {
			return f.fail(r, next)
		}
		return next.RoundTrip(r)
	})
	began := time.Now()
	all := beginAll(t, b, 1+groupPushes)
	release()
	for i, p := range all {
		if <-p.done; p.err != nil || p.result.ID != p.push.ID {
			t.Errorf("push %d: %+v %v", i, p.result, p.err)
		}
	}
	if waited := time.Since(began); waited < f.wait || waited > f.wait+time.Second {
		t.Errorf("sent again after %s", waited)
	}
	again := 0
	for _, n := range q.sizes()[2:] {
		again += n
	}
	if again != f.rest {
		t.Errorf("%d were sent again", again)
	}
	got := s.list("a")
	slices.Sort(got)
	want := numbers(0, groupPushes)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("stored: %q", got)
	}
}

// change sends a request and modifies the lines of the response and its final error.
func change(r *http.Request, next http.RoundTripper, f func([]string) ([]string, error)) (*http.Response, error) {
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var lines []string
	for in := bufio.NewScanner(response.Body); in.Scan(); {
		lines = append(lines, in.Text()+"\n")
	}
	lines, end := f(lines)
	response.Body = io.NopCloser(io.MultiReader(strings.NewReader(strings.Join(lines, "")), failing{end}))
	return response, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestGroupAttempts: an error that is not retried, or of the last attempt, is the error of
// every call.
func TestGroupAttempts(t *testing.T) {
	page := func(status int, media string) func() *http.Response {
		return func() *http.Response {
			response := answerWith(status, "Content-Type", media)
			response.Body = io.NopCloser(strings.NewReader("<h1>back soon</h1>\n"))
			return response
		}
	}
	for name, c := range map[string]struct {
		answer func() *http.Response
		want   error
		tries  int
	}{
		"page":     {page(200, "text/html"), client.ErrProtocol, 1},
		"nonsense": {page(200, "application/x-ndjson"), client.ErrProtocol, 1},
		"proxy":    {page(502, "text/html"), nil, 2},
		"key": {func() *http.Response {
			response := answerWith(401, "Content-Type", "application/problem+json")
			response.Body = io.NopCloser(strings.NewReader(`{"status":401,"code":"unauthorized"}`))
			return response
		}, client.ErrUnauthorized, 1},
		"too many": {func() *http.Response {
			response := answerWith(200, "Content-Type", "application/x-ndjson")
			response.Body = io.NopCloser(strings.NewReader(strings.Repeat(`{"messages":[{"to":"a","id":"b","seq":1}]}`+"\n", 9)))
			return response
		}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				b, q := s.recorded(client.BackendOptions{Attempts: 2})
				release := q.hold(func(int, *http.Request, http.RoundTripper) (*http.Response, error) { return c.answer(), nil })
				all := beginAll(t, b, 4)
				release()
				for _, p := range all[1:] {
					if <-p.done; (p.err == nil) != (name == "too many") || c.want != nil && !errors.Is(p.err, c.want) {
						t.Errorf("%v", p.err)
					}
				}
				sent := 0
				for _, n := range q.sizes()[1:] {
					sent += n
				}
				if sent != 3*c.tries {
					t.Errorf("requests of %d pushes", q.sizes())
				}
			})
		})
	}
}
