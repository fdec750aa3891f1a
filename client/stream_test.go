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

// TestStream pushes while the server restarts.
func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		st := s.backend().Stream(t.Context())
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
			t.Errorf("an invalid push: %v", err)
		}
		if got := s.list("log"); !slices.Equal(got, numbers(1, 2000)) {
			t.Errorf("%d messages, not 1 to 2000 in order", len(got))
		}
		if _, err := st.Push(t.Context(), client.Push{To: "a", Data: []byte("1")}); !errors.Is(err, client.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestStreamReportsRefusals: a refused push is reported by Wait, or by Close if Wait was
// not called.
func TestStreamReportsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		st := s.backend().Stream(t.Context())
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
		// One that Close would name, and one that it would not.
		for _, i := range []int{39, 1} {
			if _, err := all[i].Wait(t.Context()); err == nil {
				t.Errorf("push %d was not refused", i)
			}
		}
		err := st.Close()
		if err == nil {
			t.Fatal("Close does not report refused pushes")
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != 16 || !strings.Contains(lines[0], "push-3 to no channel: ") || !strings.Contains(lines[15], "3 more") {
			t.Errorf("Close: %v", err)
		}
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != 400 {
			t.Errorf("Close: %v", err)
		}
		for _, pd := range all {
			pd.Wait(t.Context()) //nolint:errcheck // it may be called repeatedly
		}
		if err := st.Close(); err != nil {
			t.Errorf("Close after Wait for every push: %v", err)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		p := newBackend(t, client.BackendOptions{Key: "wrong", HTTP: &http.Client{Transport: transportOver(t, s.dialer)}})
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
			t.Error("Close does not report why the stream ended")
		}

		ctx, cancel := context.WithCancel(t.Context())
		st = s.backend().Stream(ctx)
		s.stop()
		defer s.start()
		if pd, err = st.Push(t.Context(), client.Push{To: "a", Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := pd.Wait(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		if err := st.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestStreamWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) {})
		s.stop()
		defer s.start()
		ctx, cancel := context.WithCancel(t.Context())
		st := s.backend().Stream(ctx)
		for n := 0; ; n++ {
			short, stop := context.WithTimeout(t.Context(), time.Second)
			_, err := st.Push(short, client.Push{To: "a", Data: []byte(`"` + strings.Repeat("x", 1000) + `"`)})
			stop()
			if errors.Is(err, context.DeadlineExceeded) {
				if n < 1000 || n > 8192 {
					t.Errorf("%d pushes were accepted", n)
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		st.Close() //nolint:errcheck // it was canceled
	})
}

// TestEmptyStreams: if the server ends each stream at once, the client retries with the
// pauses of errors.
func TestEmptyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		empty := roundTripper(func(r *http.Request) (*http.Response, error) {
			tries.Add(1)
			return answerWith(200, "Content-Type", "application/x-ndjson"), nil
		})
		p, err := client.NewBackend("http://wirepost.test", client.BackendOptions{HTTP: &http.Client{Transport: empty}, Attempts: 5})
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
			t.Error("Close does not report why")
		}
	})
}

// TestStreamBreaksEarly: if the connection breaks before the response starts, net/http
// reports it only after reading the request body to its end.
func TestStreamBreaksEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		p := s.through(func(n int32, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if n == 1 {
				io.Copy(io.Discard, r.Body) //nolint:errcheck // returns when the connection breaks
				return nil, net.ErrClosed
			}
			return next.RoundTrip(r)
		}, client.BackendOptions{Key: apiKey})
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
