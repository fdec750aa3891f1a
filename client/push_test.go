package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/client"
)

func TestPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		p, ctx := s.backend(), t.Context()
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
			t.Error("invalid JSON was pushed")
		}
	})
}

// TestPushRetries: after a lost response, a 503 or a 429 the push is retried with the same
// ID, and not before the time in Retry-After.
func TestPushRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		began := time.Now()
		p := s.through(func(n int32, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			switch n {
			case 1: // stored, but the response is lost
				response, err := next.RoundTrip(r)
				if err != nil {
					t.Error(err)
				}
				response.Body.Close()
				return nil, net.ErrClosed
			case 2, 5:
				return answerWith(503, "Retry-After", "7"), nil
			case 3:
				return answerWith(429, "Retry-After", "nonsense"), nil
			}
			return next.RoundTrip(r)
		}, client.BackendOptions{Key: apiKey})
		pushed, err := p.Push(t.Context(), client.Push{To: "a", Data: []byte("1")})
		if err != nil || !pushed.Duplicate || pushed.Seq != 1 {
			t.Errorf("%+v %v", pushed, err)
		}
		if waited := time.Since(began); waited < 7*time.Second || waited > 8*time.Second {
			t.Errorf("waited %s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Push(ctx, client.Push{To: "a", Data: []byte("1")})
		if _, refused := errors.AsType[*client.RefusedError](err); !refused || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
	})
}
