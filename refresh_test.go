package wirepost_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
)

// renewer is an application that identifies clients for an hour at a time, and again
// before the hour is over.
type renewer struct {
	mu    sync.Mutex
	calls []string        // "connection mode" of Authenticate, "connection" of Refresh
	at    []time.Duration // of the calls of Refresh, since the first call
	begun time.Time
	next  func(wirepost.Identity) (wirepost.Identity, error) // the result of Refresh; nil: the same
}

func (a *renewer) identity(user string) wirepost.Identity {
	return wirepost.Identity{
		User: user, Subscribe: []string{"*"}, Expires: time.Now().Add(time.Hour), Refresh: true, Data: "of " + user,
	}
}

func (a *renewer) use(o *wirepost.Options) {
	a.begun = time.Now()
	o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
		connection, mode := wirepost.Connecting(r.Context())
		a.mu.Lock()
		defer a.mu.Unlock()
		a.calls = append(a.calls, connection+" "+mode)
		return a.identity(r.URL.Query().Get("user")), nil
	}
	o.Refresh = func(_ context.Context, s wirepost.Session) (wirepost.Identity, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.calls = append(a.calls, s.Connection)
		a.at = append(a.at, time.Since(a.begun))
		if s.Data != "of "+s.User {
			return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeForbidden, "data %v", s.Data)
		}
		id := a.identity(s.User)
		if a.next != nil {
			return a.next(id)
		}
		return id, nil
	}
}

func (a *renewer) answer(next func(wirepost.Identity) (wirepost.Identity, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = next
}

// TestRefresh: an identity is replaced before it expires, in every mode that has a
// connection, and the connection stays the same.
func TestRefresh(t *testing.T) {
	for _, mode := range []string{"plain", "wirepost.v1", "sse"} {
		synctest.Test(t, func(t *testing.T) {
			var a renewer
			n := newPipeNode(t, a.use)
			closed := make(chan int, 1)
			switch mode {
			case "sse":
				resp := n.get("/sse", "user=42")
				defer resp.Body.Close()
				go io.Copy(io.Discard, resp.Body) //nolint:errcheck // it ends with the connection
			case "plain":
				c := n.dial("42")
				go func() { closed <- c.closeCode() }()
			default:
				c, hello := n.dialV1("42")
				if hello["expires"] != nil || hello["expires_in_ms"] != nil {
					t.Errorf("the client is asked for a token: %v", hello)
				}
				go func() { closed <- c.closeCode() }()
			}
			time.Sleep(4 * time.Hour)
			synctest.Wait()
			if n.online("42") != 1 {
				t.Fatalf("%s: the connection is closed", mode)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			connection, of, _ := strings.Cut(a.calls[0], " ")
			if of != mode || len(a.calls) < 5 || len(a.calls) > 6 || slices.ContainsFunc(a.calls[1:], func(c string) bool { return c != connection }) {
				t.Errorf("%s: %q", mode, a.calls)
			}
			if first := a.at[0]; first < 48*time.Minute || first > 54*time.Minute+time.Second {
				t.Errorf("%s: refreshed after %s", mode, first)
			}
		})
	}
}

// TestRefreshFails: a refusal closes the connection with its text, an outage only when
// the identity expires.
func TestRefreshFails(t *testing.T) {
	for name, tt := range map[string]struct {
		next         func(wirepost.Identity) (wirepost.Identity, error)
		reason       string
		least, calls int
		outage       bool
	}{
		"refused": {
			next: func(id wirepost.Identity) (wirepost.Identity, error) {
				return id, wirepost.Errorf(wirepost.CodeForbidden, "%s", "you are banned"+strings.Repeat("é", 100))
			},
			reason: "you are banned" + strings.Repeat("é", 54), least: 1, calls: 1,
		},
		"logged out": {
			next:   func(id wirepost.Identity) (wirepost.Identity, error) { return id, http.ErrNoCookie },
			reason: "the request has no authentication cookie", least: 1, calls: 1,
		},
		"another user": {
			next: func(id wirepost.Identity) (wirepost.Identity, error) {
				id.User = "7"
				return id, nil
			},
			reason: "the connection belongs to another user now", least: 1, calls: 1,
		},
		"another device": {
			next: func(id wirepost.Identity) (wirepost.Identity, error) {
				id.Device = "phone"
				return id, nil
			},
			reason: "the connection belongs to another device now", least: 1, calls: 1,
		},
		"an outage": {
			next: func(id wirepost.Identity) (wirepost.Identity, error) {
				return id, errors.New("dial tcp 10.0.0.5:80: connection refused")
			},
			reason: "token expired", least: 10, calls: 100, outage: true,
		},
		"a panic": {
			next:   func(wirepost.Identity) (wirepost.Identity, error) { panic("no database") },
			reason: "token expired", least: 10, calls: 100, outage: true,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var a renewer
			n := newPipeNode(t, a.use)
			c := n.dial("42")
			a.answer(tt.next)
			_, _, err := c.ReadMessage()
			var closed *websocket.CloseError
			if !errors.As(err, &closed) || closed.Code != 4401 || closed.Text != tt.reason {
				t.Errorf("%s: %v", name, err)
			}
			if calls := len(a.at); calls < tt.least || calls > tt.calls {
				t.Errorf("%s: %d calls", name, calls)
			}
			if since := time.Since(a.begun); tt.outage != (since > 59*time.Minute+59*time.Second) || since > time.Hour+time.Second {
				t.Errorf("%s: closed after %s", name, since)
			}
			if tt.outage && a.at[len(a.at)-1] < 59*time.Minute+50*time.Second {
				t.Errorf("%s: the last call was after %s", name, a.at[len(a.at)-1])
			}
		})
	}
}

// TestRefreshAsksAboutChannels: with the new identity the application decides again about
// the channels that it allowed; an outage in that decision changes nothing.
func TestRefreshAsksAboutChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a renewer
		var d *decider
		n := newPipeNode(t, func(o *wirepost.Options) { d = newDecider(o) }, a.use)
		c, _ := n.dialV1("42&channels=a,b")
		frames := make(chan string, 100)
		go func() {
			defer close(frames)
			for {
				_, data, err := c.ReadMessage()
				if err != nil {
					return
				}
				frames <- string(data)
			}
		}()
		d.set("a", errors.New("no database"))
		time.Sleep(54*time.Minute + time.Second)
		if asked := d.questions(); !slices.Contains(asked[2:], "42 a") || len(frames) != 0 {
			t.Errorf("asked %q, and sent %d frames", asked, len(frames))
		}
		d.set("a", nil)
		d.set("b", wirepost.Errorf(wirepost.CodeForbidden, "you left"))
		time.Sleep(time.Minute)
		if f := <-frames; f != `{"type":"unsubscribed","channel":"b"}` {
			t.Errorf("got %s", f)
		}
		time.Sleep(2 * time.Hour)
		if n.online("42") != 1 || len(frames) != 0 {
			t.Errorf("%d connections, %d frames", n.online("42"), len(frames))
		}
		c.Close()
	})
}

// TestRefreshedRights: a plain client keeps the requested channels that its next identity
// allows, and loses the others, even if that identity is the last one.
func TestRefreshedRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a renewer
		n := newPipeNode(t, a.use)
		c := n.dial("42&channels=b,a")
		a.answer(func(wirepost.Identity) (wirepost.Identity, error) {
			return wirepost.Identity{User: "42", Subscribe: []string{"b"}}, nil
		})
		first := make(chan string, 1)
		go func() {
			_, data, err := c.ReadMessage() // and answers heartbeats
			if err != nil {
				t.Error(err)
			}
			first <- string(data)
		}()
		time.Sleep(time.Hour + time.Second)
		n.json("a", "1") // delivered before what comes to b
		n.json("b", "2")
		if got := <-first; got != "2" {
			t.Errorf("got %s", got)
		}
	})
}
