package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
)

// pusher makes a client for the site's API.
func (s *site) pusher() *client.Pusher {
	s.t.Helper()
	transport := &http.Transport{DialContext: s.dialer}
	s.t.Cleanup(transport.CloseIdleConnections)
	p, err := client.NewPusher("http://wirepost.test", client.PusherOptions{
		Key: apiKey, HTTP: &http.Client{Transport: transport},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// list gives the texts of a channel's log.
func (s *site) list(channel string) (texts []string) {
	s.t.Helper()
	for after := uint64(0); ; {
		page, next, err := s.Messages(channel, after, 1000)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(page) == 0 {
			return texts
		}
		for _, m := range page {
			texts = append(texts, string(m.Data))
		}
		after = next
	}
}

func numbers(first, last int) (list []string) {
	for i := first; i <= last; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func TestPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		p, ctx := s.pusher(), t.Context()
		for _, push := range []client.Push{
			{To: "user:42", Data: []byte(`{"a": 1}`), TTL: time.Hour, Key: "k"},
			{To: "user:42", Data: []byte("héllo"), ContentType: "text/plain"},
			{To: "user:42", Data: []byte{0, 255}, ContentType: "image/png", ID: "pic"},
			{To: "user:42", Data: nil, ContentType: "a/empty"},
		} {
			if _, err := p.Push(ctx, push); err != nil {
				t.Errorf("%+v: %v", push, err)
			}
		}
		pushed, err := p.Push(ctx, client.Push{To: "user:42", Data: []byte("1"), ID: "pic"})
		if err != nil || !pushed.Duplicate || pushed.Seq != 3 || pushed.To != "user:42" {
			t.Errorf("the repeat: %+v %v", pushed, err)
		}
		list, next, err := p.Messages(ctx, "user:42", 0, 0)
		if err != nil || len(list) != 4 || next != 4 {
			t.Fatalf("%d messages, next %d, %v", len(list), next, err)
		}
		if string(list[0].Data) != `{"a":1}` || list[0].Key != "k" || list[0].Expires.IsZero() || string(list[1].Data) != "héllo" ||
			!slices.Equal(list[2].Data, []byte{0, 255}) || list[2].ContentType != "image/png" {
			t.Errorf("%+v", list)
		}
		several, err := p.PushTo(ctx, client.Push{Data: []byte("7")}, "a", "b/c", "a")
		if err != nil || len(several) != 3 || several[1].To != "b/c" {
			t.Errorf("several: %+v %v", several, err)
		}
		for _, bad := range []client.Push{
			{To: "a b", Data: []byte("1")},
			{To: "a", Data: []byte("1"), ID: strings.Repeat("x", 200)},
			{To: "a", Data: make([]byte, 100<<10), ContentType: "a/b"},
		} {
			_, err := p.Push(ctx, bad)
			if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status/100 != 4 || e.Detail == "" || e.Code == "" {
				t.Errorf("%s: %v", bad.To, err)
			}
		}
		if _, err := p.Push(ctx, client.Push{To: "a", Data: []byte("{")}); err == nil {
			t.Error("broken JSON was pushed")
		}
	})
}

func TestAdmin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		p, ctx := s.pusher(), t.Context()
		var told events
		c := s.dial("4/2&device=d1", told.option)
		if err := p.Join(ctx, "4/2", "team/7"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Push(ctx, client.Push{To: "team/7", Data: []byte(`"x"`)}); err != nil {
			t.Fatal(err)
		}
		if got := take(t, c, 1); got != `"x"` {
			t.Errorf("got %s", got)
		}
		info, err := p.User(ctx, "4/2")
		if err != nil || info.Online != 1 || info.Sessions[0].Device != "d1" || info.Channels["team/7"].Head != 1 {
			t.Errorf("%+v %v", info, err)
		}
		if err := p.Revoke(ctx, "team/7", 1); err != nil {
			t.Error(err)
		}
		if err := p.Leave(ctx, "4/2", "team/7"); err != nil {
			t.Error(err)
		}
		none(t, c)
		if e, _ := last[client.Revoked](&told); e.Revoked != 1 || e.Channel != "team/7" {
			t.Errorf("%+v", e)
		}
		if e, _ := last[client.Unsubscribed](&told); e.Channel != "team/7" {
			t.Errorf("%+v", e)
		}
		err = p.Revoke(ctx, "team/7", 1)
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != 404 {
			t.Errorf("revoke again: %v", err)
		}
		if n, err := p.Disconnect(ctx, "4/2", ""); n != 1 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		for _, err := range c.Messages(ctx) {
			if e, ok := errors.AsType[*client.CloseError](err); !ok || e.Code != 4409 || e.MayReconnect() {
				t.Errorf("then %v", err)
			}
		}
	})
}

// TestStream pushes while the server goes and comes back.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		st := s.pusher().Stream(t.Context())
		var waiting []*client.Pending
		for i := 1; i <= 2000; i++ {
			pd, err := st.Push(t.Context(), client.Push{To: "log", Data: fmt.Append(nil, i)})
			if err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, pd)
			if i%500 == 0 {
				if _, err := waiting[i-100].Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.stop()
				s.start()
			}
		}
		bad, err := st.Push(t.Context(), client.Push{To: "no channel", Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := errors.AsType[*client.RefusedError](st.Close()); !ok || e.Status != 400 {
			t.Errorf("Close: %v", e)
		}
		for i, pd := range waiting {
			if pushed, err := pd.Wait(t.Context()); err != nil || pushed.Seq == 0 {
				t.Fatalf("push %d: %+v %v", i, pushed, err)
			}
		}
		_, err = bad.Wait(t.Context())
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != 400 {
			t.Errorf("a bad push: %v", err)
		}
		if got := s.list("log"); !slices.Equal(got, numbers(1, 2000)) {
			t.Errorf("%d messages, not 1 to 2000 in order", len(got))
		}
		if _, err := st.Push(t.Context(), client.Push{To: "a", Data: []byte("1")}); !errors.Is(err, client.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestStreamTellsWhatNobodyWaitedFor: a push that is refused is told by Wait, or else
// by Close.
func TestStreamTellsWhatNobodyWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		st := s.pusher().Stream(t.Context())
		var all []*client.Pending
		for i := range 40 {
			to := "log"
			if i%2 == 1 {
				to = "no channel"
			}
			pd, err := st.Push(t.Context(), client.Push{To: to, Data: []byte("1"), ID: fmt.Sprint("push-", i)})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, pd)
		}
		// One of those that Close would name, and one of the others.
		for _, i := range []int{39, 1} {
			if _, err := all[i].Wait(t.Context()); err == nil {
				t.Errorf("push %d was not refused", i)
			}
		}
		err := st.Close()
		if err == nil {
			t.Fatal("Close does not tell of refused pushes")
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != 16 || !strings.Contains(lines[0], "push-3 to no channel: ") || !strings.Contains(lines[15], "3 more") {
			t.Errorf("Close: %v", err)
		}
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != 400 {
			t.Errorf("Close: %v", err)
		}
		for _, pd := range all {
			pd.Wait(t.Context()) //nolint:errcheck // it tells as often as it is asked
		}
		if err := st.Close(); err != nil {
			t.Errorf("when everything was waited for: %v", err)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		transport := &http.Transport{DialContext: s.dialer}
		defer transport.CloseIdleConnections()
		p, err := client.NewPusher("http://wirepost.test", client.PusherOptions{Key: "wrong", HTTP: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		st := p.Stream(t.Context())
		pd, err := st.Push(t.Context(), client.Push{To: "a", Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = pd.Wait(t.Context())
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != 401 {
			t.Errorf("with a wrong key: %v", err)
		}
		if err := st.Close(); err == nil {
			t.Error("Close does not tell why the stream ended")
		}

		ctx, cancel := context.WithCancel(t.Context())
		st = s.pusher().Stream(ctx)
		s.stop()
		defer s.start()
		if pd, err = st.Push(t.Context(), client.Push{To: "a", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := pd.Wait(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		if err := st.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestPushRetries: a lost answer, a 503 and a 429 are tried again with the same ID,
// and not before the server said.
func TestPushRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		var tries atomic.Int32
		began := time.Now()
		transport := &http.Transport{DialContext: s.dialer}
		defer transport.CloseIdleConnections()
		flaky := roundTripper(func(r *http.Request) (*http.Response, error) {
			switch tries.Add(1) {
			case 1: // stored, and the answer lost
				response, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
				}
				response.Body.Close()
				return nil, net.ErrClosed
			case 2:
				return answerWith(503, "Retry-After", "7"), nil
			case 3:
				return answerWith(429, "Retry-After", "nonsense"), nil
			}
			return transport.RoundTrip(r)
		})
		p, err := client.NewPusher("http://wirepost.test", client.PusherOptions{Key: apiKey, HTTP: &http.Client{Transport: flaky}})
		if err != nil {
			t.Fatal(err)
		}
		pushed, err := p.Push(t.Context(), client.Push{To: "a", Data: []byte("1")})
		if err != nil || !pushed.Duplicate || pushed.Seq != 1 {
			t.Errorf("%+v %v", pushed, err)
		}
		if waited := time.Since(began); waited < 7*time.Second || waited > 8*time.Second {
			t.Errorf("waited %s", waited)
		}
		tries.Store(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Push(ctx, client.Push{To: "a", Data: []byte("1")})
		if _, refused := errors.AsType[*client.RefusedError](err); !refused || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("when the time is over: %v", err)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answerWith(status int, name, value string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{name: {value}}, Body: http.NoBody}
}

func TestStreamWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) {})
		s.stop()
		defer s.start()
		ctx, cancel := context.WithCancel(t.Context())
		st := s.pusher().Stream(ctx)
		for n := 0; ; n++ {
			short, stop := context.WithTimeout(t.Context(), time.Second)
			_, err := st.Push(short, client.Push{To: "a", Data: []byte(`"` + strings.Repeat("x", 1000) + `"`)})
			stop()
			if errors.Is(err, context.DeadlineExceeded) {
				if n < 1000 || n > 8192 {
					t.Errorf("%d pushes were taken", n)
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		st.Close() //nolint:errcheck // it was cancelled
	})
}

// TestStreamOfNothing: a server that ends each stream at once is asked again at the
// pace of errors.
func TestStreamOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		empty := roundTripper(func(r *http.Request) (*http.Response, error) {
			tries.Add(1)
			return answerWith(200, "A", "b"), nil
		})
		p, err := client.NewPusher("http://wirepost.test", client.PusherOptions{HTTP: &http.Client{Transport: empty}, Attempts: 5})
		if err != nil {
			t.Fatal(err)
		}
		st := p.Stream(t.Context())
		pd, err := st.Push(t.Context(), client.Push{To: "a", Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pd.Wait(t.Context()); err == nil || tries.Load() != 5 {
			t.Errorf("%v after %d requests", err, tries.Load())
		}
		if err := st.Close(); err == nil {
			t.Error("Close does not tell why")
		}
	})
}

// TestStreamBreaksEarly: net/http reads a body to its end before it tells that the
// connection broke, if no answer had begun.
func TestStreamBreaksEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		transport := &http.Transport{DialContext: s.dialer}
		defer transport.CloseIdleConnections()
		var tries atomic.Int32
		breaks := roundTripper(func(r *http.Request) (*http.Response, error) {
			if tries.Add(1) == 1 {
				io.Copy(io.Discard, r.Body) //nolint:errcheck // it ends
				return nil, net.ErrClosed
			}
			return transport.RoundTrip(r)
		})
		p, err := client.NewPusher("http://wirepost.test", client.PusherOptions{Key: apiKey, HTTP: &http.Client{Transport: breaks}})
		if err != nil {
			t.Fatal(err)
		}
		st := p.Stream(t.Context())
		pd, err := st.Push(t.Context(), client.Push{To: "a", Data: []byte("1")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pd.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}
