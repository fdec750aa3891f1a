package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// TestMinSeq: a read waits until the channel has reached a sequence.
func TestMinSeq(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/v1/channels/user:42", "/v1/channels/user:42/messages", "/v1/channels/user:42/messages/1", "/v1/users/42/messages",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv := newServer(t)
				h := New(srv, Options{Keys: []string{testKey}, Logger: slog.New(slog.DiscardHandler)})
				get := func(ctx context.Context, query string) *httptest.ResponseRecorder {
					r := httptest.NewRequestWithContext(ctx, "GET", path+"?"+query, nil)
					r.Header.Set("Authorization", "Bearer "+testKey)
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					return w
				}
				push := func() uint64 {
					pushed, err := srv.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("1")})
					if err != nil {
						t.Fatal(err)
					}
					return pushed.Seq
				}
				for _, bad := range []string{"min_seq=", "min_seq=x", "min_seq=-1", "min_seq=1.5", "min_seq=18446744073709551616", "min_seq=1&min_seq=2"} {
					if w := get(t.Context(), bad); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"field":"min_seq"`) {
						t.Errorf("%s: %d %s", bad, w.Code, w.Body)
					}
				}
				seq := push()
				begun := time.Now()
				for _, n := range []uint64{0, seq} {
					if w := get(t.Context(), fmt.Sprint("min_seq=", n)); w.Code != http.StatusOK || time.Since(begun) != 0 {
						t.Errorf("%d, which is there: %d %s after %s", n, w.Code, w.Body, time.Since(begun))
					}
				}

				response := make(chan *httptest.ResponseRecorder, 1)
				go func() { response <- get(t.Context(), fmt.Sprint("min_seq=", seq+2)) }()
				synctest.Wait()
				push()
				time.Sleep(time.Second)
				if len(response) > 0 {
					t.Fatal("it did not wait for the sequence")
				}
				push()
				if w := <-response; w.Code != http.StatusOK || time.Since(begun) != time.Second {
					t.Errorf("after the push: %d %s after %s", w.Code, w.Body, time.Since(begun))
				}

				begun = time.Now()
				w := get(t.Context(), fmt.Sprint("min_seq=", seq+100))
				var p wirepost.Problem
				if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
					t.Fatal(err)
				}
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" ||
					p.Code != "unavailable" || time.Since(begun) != 5*time.Second {
					t.Errorf("a sequence that does not come: %d %s after %s", w.Code, w.Body, time.Since(begun))
				}

				// A client that goes away.
				ctx, cancel := context.WithCancel(t.Context())
				begun = time.Now()
				time.AfterFunc(time.Second, cancel)
				get(ctx, fmt.Sprint("min_seq=", seq+100))
				if took := time.Since(begun); took != time.Second {
					t.Errorf("it went on for %s after the client was gone", took-time.Second)
				}
			})
		})
	}
}

// lonely is a backend of which other nodes do not answer.
type lonely struct{ *fake }

func (l *lonely) Disconnect(context.Context, string, string) (int, error) {
	return 2, wirepost.ErrIncomplete
}

func (l *lonely) RevokeTokens(context.Context, string, time.Time) (int, error) {
	return 2, wirepost.ErrIncomplete
}

func (l *lonely) User(_ context.Context, user string) (wirepost.UserInfo, error) {
	return wirepost.UserInfo{User: user, Online: 2, Incomplete: true}, nil
}

func (l *lonely) Message(context.Context, string, uint64) (wirepost.Message, []wirepost.Receipt, error) {
	m := wirepost.Message{Channel: "room", Seq: 1, ID: "x", Time: time.UnixMilli(1), Data: []byte("1")}
	return m, []wirepost.Receipt{{User: "42", State: wirepost.ReceiptStored}}, wirepost.ErrIncomplete
}

func (l *lonely) Escalation(context.Context, string, uint64) (*wirepost.Escalation, error) {
	return nil, nil
}

// TestIncomplete: a response says that another node did not answer.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	s := serveHandler(t, newHandler(&lonely{failing(nil)}, Options{Keys: []string{testKey}, Logger: slog.New(slog.DiscardHandler)}), nil)
	for request, want := range map[string]string{
		"DELETE /v1/users/42/sessions":                   `"disconnected":2`,
		"DELETE /v1/users/42/sessions?revoke_before=now": `"disconnected":2`,
		"GET /v1/users/42":                               `"online":2`,
		"GET /v1/channels/room/messages/1":               `"state":"stored"`,
	} {
		method, path, _ := strings.Cut(request, " ")
		a := s.do(method, path, "").is(http.StatusOK)
		if body := string(a.body); !strings.Contains(body, `"incomplete":true`) || !strings.Contains(body, want) {
			t.Errorf("%s: %s", request, body)
		}
	}
}
