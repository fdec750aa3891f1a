package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/client"
)

// backend returns a client of the site's HTTP API.
func (s *site) backend() *client.Backend {
	s.t.Helper()
	return newBackend(s.t, client.BackendOptions{Key: apiKey, HTTP: &http.Client{Transport: transportOver(s.t, s.dialer)}})
}

// transportOver makes a transport of requests over connections that dial makes.
func transportOver(t testing.TB, dial dialer) *http.Transport {
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// through returns a Backend whose requests are made by a function, with their number. Next
// sends one to the site.
func (s *site) through(round func(n int32, r *http.Request, next http.RoundTripper) (*http.Response, error), o client.BackendOptions) *client.Backend {
	s.t.Helper()
	next := transportOver(s.t, s.dialer)
	var n atomic.Int32
	o.HTTP = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return round(n.Add(1), r, next) })}
	return newBackend(s.t, o)
}

func newBackend(t testing.TB, o client.BackendOptions) *client.Backend {
	t.Helper()
	b, err := client.NewBackend("http://wirepost.test", o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// list returns the texts of a channel's messages.
func (s *site) list(channel string) (texts []string) {
	s.t.Helper()
	for after := uint64(0); ; {
		page, next, err := s.Messages(context.Background(), channel, after, 1000)
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

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answerWith(status int, name, value string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{name: {value}}, Body: http.NoBody}
}

// calls has all methods of Backend that make one request.
var calls = map[string]func(context.Context, *client.Backend) error{
	"Push": func(ctx context.Context, b *client.Backend) error {
		_, err := b.Push(ctx, client.Push{To: "a", Data: []byte("1")})
		return err
	},
	"PushTo": func(ctx context.Context, b *client.Backend) error {
		_, err := b.PushTo(ctx, client.Push{Data: []byte("1")}, "a", "b")
		return err
	},
	"Revoke": func(ctx context.Context, b *client.Backend) error {
		_, err := b.Revoke(ctx, "a", 1)
		return err
	},
	"Channel": func(ctx context.Context, b *client.Backend) error {
		_, err := b.Channel(ctx, "a")
		return err
	},
	"Messages": func(ctx context.Context, b *client.Backend) error {
		_, _, err := b.Messages(ctx, "a", 0, 0)
		return err
	},
	"Message": func(ctx context.Context, b *client.Backend) error {
		_, _, err := b.Message(ctx, "a", 1)
		return err
	},
	"Empty": func(ctx context.Context, b *client.Backend) error { return b.Empty(ctx, "a") },
	"User": func(ctx context.Context, b *client.Backend) error {
		_, err := b.User(ctx, "42")
		return err
	},
	"Inbox": func(ctx context.Context, b *client.Backend) error {
		_, _, err := b.Inbox(ctx, "42", 0, 0)
		return err
	},
	"MarkRead": func(ctx context.Context, b *client.Backend) error {
		_, _, err := b.MarkRead(ctx, "42", "", 1)
		return err
	},
	"Join": func(ctx context.Context, b *client.Backend) error {
		_, err := b.Join(ctx, "42", "a")
		return err
	},
	"Leave": func(ctx context.Context, b *client.Backend) error { return b.Leave(ctx, "42", "a") },
	"Disconnect": func(ctx context.Context, b *client.Backend) error {
		_, err := b.Disconnect(ctx, "42", "")
		return err
	},
	"RevokeTokens": func(ctx context.Context, b *client.Backend) error {
		_, err := b.RevokeTokens(ctx, "42", time.Now())
		return err
	},
	"Stats": func(ctx context.Context, b *client.Backend) error {
		_, err := b.Stats(ctx)
		return err
	},
	"Scheduled": func(ctx context.Context, b *client.Backend) error {
		_, _, err := b.Scheduled(ctx, "", "", 0)
		return err
	},
	"CancelScheduled": func(ctx context.Context, b *client.Backend) error {
		err := b.CancelScheduled(ctx, "none", "user:42")
		if errors.Is(err, client.ErrNotFound) {
			return nil
		}
		return err
	},
	"Top": func(ctx context.Context, b *client.Backend) error {
		_, err := b.Top(ctx, 3)
		return err
	},
}

// sentOnce names those of calls that do not retry.
var sentOnce = map[string]bool{"Revoke": true, "Empty": true, "Leave": true, "Disconnect": true, "CancelScheduled": true}

// TestBackendKey: with a wrong key every method fails at once; Ready needs no key.
func TestBackendKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b := newBackend(t, client.BackendOptions{Key: "wrong", HTTP: &http.Client{Transport: transportOver(t, s.dialer)}})
		for name, do := range calls {
			err := do(t.Context(), b)
			if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != 401 || !errors.Is(err, client.ErrUnauthorized) || errors.Is(err, client.ErrForbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := b.Ready(t.Context()); err != nil {
			t.Errorf("Ready: %v", err)
		}
	})
}

// TestBackendSwitched: a response that switches protocols unasked is an error, and its body
// is not waited for, which is the connection.
func TestBackendSwitched(t *testing.T) {
	for name, do := range calls {
		synctest.Test(t, func(t *testing.T) {
			body, peer := io.Pipe()
			b := newBackend(t, client.BackendOptions{Attempts: 1, HTTP: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				response := answerWith(http.StatusSwitchingProtocols, "Upgrade", "x")
				response.Body = body
				return response, nil
			})}})
			if err := do(t.Context(), b); err == nil || !strings.Contains(err.Error(), "101 Switching Protocols") {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := peer.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s: the connection is open: %v", name, err)
			}
		})
	}
}

// TestServerUnreachable: while the server is down a request is retried until the context
// is done or the server is back, unless a retry could have another effect.
func TestServerUnreachable(t *testing.T) {
	for name, do := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				b := s.backend()
				s.stop()
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := do(ctx, b)
				waited := time.Since(began)
				if !errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) == sentOnce[name] || (waited == 0) != sentOnce[name] {
					t.Errorf("%v after %s", err, waited)
				}
				if err := b.Ready(ctx); err == nil {
					t.Error("Ready reports true")
				}
				time.AfterFunc(30*time.Second, s.start)
				if sentOnce[name] {
					time.Sleep(31 * time.Second)
				}
				if err := do(t.Context(), b); err != nil && !errors.Is(err, client.ErrNotFound) {
					t.Errorf("after the server came back: %v", err)
				}
			})
		})
	}
}

// TestBackendProxy: for every method, a proxy's error page is an error without one of the
// server's codes. It is retried if the status or the page indicates a temporary failure.
func TestBackendProxy(t *testing.T) {
	for _, c := range []struct {
		status   int
		repeated bool
	}{{200, false}, {204, false}, {403, true}, {404, true}, {502, true}} {
		for name, do := range calls {
			t.Run(fmt.Sprint(c.status, " ", name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var tries atomic.Int32
					page := roundTripper(func(r *http.Request) (*http.Response, error) {
						tries.Add(1)
						response := answerWith(c.status, "Content-Type", "text/html")
						response.Body = io.NopCloser(strings.NewReader("<h1>back soon</h1>"))
						return response, nil
					})
					b := newBackend(t, client.BackendOptions{HTTP: &http.Client{Transport: page}, Attempts: 3})
					err := do(t.Context(), b)
					switch {
					case c.status == 204 && (name == "Leave" || name == "Empty" || name == "CancelScheduled"): // equal to the server's response
					case err == nil, errors.Is(err, client.ErrForbidden), errors.Is(err, client.ErrNotFound):
						t.Errorf("%v", err)
					case c.status < 300 && !errors.Is(err, client.ErrProtocol):
						t.Errorf("%v", err)
					}
					want := int32(1)
					if c.repeated && !sentOnce[name] {
						want = 3
					}
					if got := tries.Load(); got != want {
						t.Errorf("%d attempts, want %d", got, want)
					}
				})
			})
		}
	}
}

// TestBackendRedirect: http.Client turns a redirected request into a GET, whose success
// does not mean that the request succeeded.
func TestBackendRedirect(t *testing.T) {
	moved := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "http" {
			return answerWith(301, "Location", "https://wirepost.test"+r.URL.RequestURI()), nil
		}
		response := answerWith(200, "Content-Type", "application/json")
		response.Body = io.NopCloser(strings.NewReader(`{"messages":[],"policy":{"max_age":"1h"}}`))
		response.Request = r
		return response, nil
	})
	b := newBackend(t, client.BackendOptions{HTTP: &http.Client{Transport: moved}, Attempts: 1})
	for name, do := range calls {
		err := do(t.Context(), b)
		switch name {
		case "Channel", "Messages", "User", "Inbox", "Stats", "Top", "Scheduled": // a GET remains a GET
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case "Message":
		default:
			if !errors.Is(err, client.ErrProtocol) || !strings.Contains(err.Error(), "https://wirepost.test/v1/") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestBackendTimeout: an attempt without a response times out and is retried.
func TestBackendTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b := s.through(func(n int32, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if n == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return next.RoundTrip(r)
		}, client.BackendOptions{Key: apiKey, Timeout: time.Minute})
		began := time.Now()
		if _, err := b.Stats(t.Context()); err != nil {
			t.Error(err)
		}
		if waited := time.Since(began); waited < time.Minute || waited > time.Minute+time.Second {
			t.Errorf("waited %s", waited)
		}
	})
}

// TestBackendNames: a name is sent unchanged. An empty name is an error before anything is
// sent, because the path without it would be that of another resource.
func TestBackendNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		for _, user := range []string{".", "..", "a/b", "//", "50%", "a b?", "a+b&c=d", "é", "%2F"} {
			info, err := b.User(ctx, user)
			if strings.ContainsAny(user, " ?") {
				if !errors.Is(err, client.ErrBadRequest) {
					t.Errorf("user %q: %v", user, err)
				}
				continue
			}
			if err != nil || info.User != user {
				t.Errorf("user %q: %+v %v", user, info, err)
			}
			if state, err := b.Join(ctx, user, "room/"+user); err != nil || state.Devices == nil {
				t.Errorf("join %q: %v", user, err)
			}
			if err := b.Leave(ctx, user, "room/"+user); err != nil {
				t.Errorf("leave %q: %v", user, err)
			}
		}
		never := newBackend(t, client.BackendOptions{HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			t.Errorf("%s %s was sent", r.Method, r.URL)
			return nil, net.ErrClosed
		})}})
		_, noUser := never.Disconnect(ctx, "", "")
		_, noChannel := never.Revoke(ctx, "", 1)
		_, noMember := never.Join(ctx, "42", "")
		for _, err := range []error{noUser, noChannel, noMember, never.Empty(ctx, ""), never.Leave(ctx, "", "a")} {
			if !errors.Is(err, client.ErrBadRequest) {
				t.Errorf("an empty name: %v", err)
			}
		}
	})
}

func TestNewBackendRefuses(t *testing.T) {
	for _, server := range []string{"", "push.example.com", "ws://push.example.com", "http://", "://"} {
		if _, err := client.NewBackend(server, client.BackendOptions{}); err == nil {
			t.Errorf("%q was accepted", server)
		}
	}
	for _, o := range []client.BackendOptions{{MinWait: -1}, {MaxWait: -1}, {Timeout: -1}} {
		if _, err := client.NewBackend("http://localhost", o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	_, err := client.NewBackend("unix:/run/wirepost.sock", client.BackendOptions{HTTP: http.DefaultClient})
	if err == nil {
		t.Error("a custom HTTP client for a Unix socket was accepted")
	}
}
