package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/wire"
)

// fronts are handlers that respond instead of the server, as a proxy does while the server
// restarts.
var fronts = map[string]http.HandlerFunc{
	"HTML":              answer(http.StatusForbidden, "text/html", "<h1>403 Forbidden</h1>"),
	"400":               answer(http.StatusBadRequest, "text/html", "<h1>400 Bad Request</h1>"),
	"401":               answer(http.StatusUnauthorized, "text/html", "<h1>log in</h1>"),
	"404":               answer(http.StatusNotFound, "text/plain", "no route"),
	"200":               answer(http.StatusOK, "text/html", "<h1>back soon</h1>"),
	"302":               answer(http.StatusFound, "text/html", ""),
	"JSON":              answer(http.StatusForbidden, "application/json", `{"code":"forbidden","detail":"no"}`),
	"another's problem": answer(http.StatusForbidden, "application/problem+json", `{"status":403,"title":"Forbidden"}`),
	"another subprotocol": func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, nil); err == nil {
			conn.CloseNow() //nolint:errcheck // the connection is abandoned
		}
	},
	"close 1008": func(w http.ResponseWriter, r *http.Request) {
		if conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.ProtocolV1}}); err == nil {
			conn.Close(websocket.StatusPolicyViolation, "not through here") //nolint:errcheck // the same
		}
	},
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body) //nolint:errcheck // the client is gone
	}
}

// TestFront: a proxy's response during a reconnect does not end the client.
func TestFront(t *testing.T) {
	for name, front := range fronts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				broken := make(chan struct{})
				f := newFake(
					t,
					func(_ *testing.T, p *peer) {
						p.send(hello, message("user:42", 1, "1"))
						<-broken
					},
					func(_ *testing.T, p *peer) {
						p.send(hello, message("user:42", 2, "2"))
						p.Close(wire.CloseDisconnected, "over") //nolint:errcheck // the test checks the client
					},
				)
				var received events
				c, err := f.dial(t, received.option, func(o *client.Options) { o.Token = client.StaticToken("t") })
				if err != nil {
					t.Fatal(err)
				}
				if got := take(t, c, 1); got != "1" {
					t.Fatalf("got %s", got)
				}
				f.front.Store(&front)
				close(broken)
				time.Sleep(time.Minute)
				f.front.Store(nil)
				texts, err := end(t, c)
				if e, ok := errors.AsType[*client.CloseError](err); !ok || e.Code != wire.CloseDisconnected || len(texts) != 1 || texts[0] != "2" {
					t.Errorf("%q, final error %v", texts, err)
				}
			})
		})
	}
}

// TestFrontAtFirst: on the first connection such a response is final, because the address
// may be wrong.
func TestFrontAtFirst(t *testing.T) {
	for _, name := range []string{"HTML", "404", "200", "another subprotocol"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				front := fronts[name]
				f.front.Store(&front)
				if c, err := f.dial(t); err == nil {
					t.Errorf("connected: %v", c)
				}
			})
		})
	}
}

// TestClock: a token is refreshed according to its remaining lifetime, not by comparing
// clocks, which may differ: here the client's is 15 minutes ahead.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hello := func(left time.Duration) string {
			return fmt.Sprintf(`"expires":%d,"expires_in_ms":%d}`, time.Now().Add(left-15*time.Minute).UnixMilli(), left.Milliseconds())
		}
		f := newFake(t, func(_ *testing.T, p *peer) {
			p.send(`{"type":"hello","user":"42","epoch":"e1","heartbeat_ms":3600000,"channels":{},` + hello(10*time.Minute))
			for p.next() != "" {
				p.send(`{"type":"ok","ref":1,` + hello(10*time.Minute))
			}
		})
		source := &tokens{life: 10 * time.Minute}
		if _, err := f.dial(t, func(o *client.Options) { o.Token = source.next }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		if n := source.count.Load(); n != 2 {
			t.Errorf("%d tokens in 15 minutes, want 2", n)
		}
	})
}
