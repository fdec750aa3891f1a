package wirepost_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/prometheus"
)

// refusals checks wirepost_refused_total for a reason.
func (n *node) refusals(reason string, want int) {
	n.t.Helper()
	expected := fmt.Sprintf(`# HELP wirepost_refused_total Refused connections and messages, and sessions closed for sending too much, by reason.
# TYPE wirepost_refused_total counter
wirepost_refused_total{reason=%q} %d
`, reason, want)
	if err := testutil.CollectAndCompare(prometheus.NewCollector(n), strings.NewReader(expected), "wirepost_refused_total"); err != nil {
		n.t.Error(err)
	}
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	for reason, test := range map[string]struct {
		limit   func(*wirepost.Options)
		another string // who may still connect
		status  int
	}{
		"connections":         {func(o *wirepost.Options) { o.MaxConnections = 2 }, "", 503},
		"user_connections":    {func(o *wirepost.Options) { o.MaxUserConnections = 2 }, "user=43", 429},
		"address_connections": {func(o *wirepost.Options) { o.MaxAddressConnections = 2 }, "", 429},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, test.limit)
			first := n.dial("42")
			e := n.events("42")
			for _, way := range []string{"/ws", "/sse", "/poll"} {
				resp := n.get(way, "user=42", "Connection", "Upgrade", "Upgrade", "websocket",
					"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
				body, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != test.status || resp.Header.Get("Retry-After") == "" {
					t.Fatalf("%s over the limit: %s %s", way, resp.Status, body)
				}
			}
			n.refusals(reason, 3)
			if test.another != "" {
				if _, resp, err := n.tryDial(test.another); err != nil {
					t.Fatalf("another client: %v %v", err, resp)
				}
			}
			first.leave()
			e.body.Close()
			n.gone("42")
			eventually(t, "a connection is accepted again", func() bool {
				_, _, err := n.tryDial("user=42")
				return err == nil
			})
		})
	}
}

func TestRefusedRequestsDoNotCountInTheLimits(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.MaxConnections = 1; o.MaxAddressConnections = 1 })
	for range 5 {
		for _, query := range []string{"", "user=42&channels=user:43", "user=42&after=x"} {
			if _, _, err := n.tryDial(query); err == nil {
				t.Fatal("it was accepted")
			}
		}
	}
	n.dial("42")
}

func TestHandshakeRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.HandshakeRate = 10 })
		let := func() (n2 int) {
			for range 100 {
				if c, _, err := n.tryDial("user=42"); err == nil {
					n2++
					c.Close()
				}
			}
			return n2
		}
		if got := let(); got != 20 {
			t.Errorf("at first %d were accepted, want those of two seconds", got)
		}
		time.Sleep(time.Second)
		if got := let(); got != 10 {
			t.Errorf("a second later %d were accepted", got)
		}
		time.Sleep(time.Hour)
		if got := let(); got != 20 {
			t.Errorf("an hour later %d were accepted", got)
		}
		n.refusals("handshake_rate", 80+90+80)
	})
}

func TestClientsThatSendTooMuchAreClosed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		reason, path, protocol string
		limit                  func(*wirepost.Options)
		size                   int
	}{
		{"message_rate", "/ws", "", func(o *wirepost.Options) { o.MessageRate = 5 }, 1},
		{"message_rate", "/ws", "wirepost.v1", func(o *wirepost.Options) { o.MessageRate = 5 }, 1},
		{"byte_rate", "/ws", "", func(o *wirepost.Options) { o.ByteRate = 1000 }, 20_000},
		{"message_rate", "/echo", "", func(o *wirepost.Options) { o.MessageRate = 5 }, 1},
	} {
		t.Run(test.reason+test.path+test.protocol, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, test.limit)
			other := n.dial("43")
			d := *n.dialer
			if test.protocol != "" {
				d.Subprotocols = []string{test.protocol}
			}
			ws, _, err := d.Dial("ws://"+n.host+test.path+"?user=42", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close()
			c := &client{Conn: ws, t: t, patience: patience}
			go func() {
				for c.WriteMessage(1, bytes.Repeat([]byte("x"), test.size)) == nil {
				}
			}()
			if code := c.closeCode(); code != 4429 {
				t.Errorf("closed with %d", code)
			}
			n.refusals(test.reason, 1)
			n.text("user:43", "still here")
			other.want("still here")
		})
	}
}

func TestPingsCountAsMessages(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.MessageRate = 5 })
	c := n.dial("42")
	go func() {
		for c.WriteControl(9, make([]byte, 125), time.Now().Add(patience)) == nil {
		}
	}()
	if code := c.closeCode(); code != 4429 {
		t.Errorf("closed with %d", code)
	}
}

// TestAPanicInACallbackIsCleanedUp: a panic in Authenticate and in other callbacks.
func TestAPanicInACallbackIsCleanedUp(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.MaxConnections = 1
		o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
			if r.URL.Query().Has("panic") {
				panic("on purpose")
			}
			return byQuery(r)
		}
		o.VerifyToken = func(context.Context, string) (wirepost.Identity, error) { panic("on purpose") }
	})
	for range 3 {
		if _, resp, _ := n.tryDial("user=42&panic=1"); resp == nil || resp.StatusCode != 500 {
			t.Errorf("the response after a panic is %v", resp)
		}
	}
	c, _ := n.dialV1("42")
	c.send(`{"type":"auth","ref":1,"token":"x"}`)
	if f := c.frame("error"); f.str("code") != "internal" {
		t.Errorf("the response after a panic is %v", f)
	}
}

func TestAnotherUsersInboxIsNotAMembership(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
			id, err := byQuery(r)
			id.Channels = strings.Fields(r.URL.Query().Get("members"))
			return id, err
		}
		o.VerifyToken = func(context.Context, string) (wirepost.Identity, error) {
			return wirepost.Identity{User: "42", Channels: []string{"user:43"}}, nil
		}
	})
	if _, resp, _ := n.tryDial("user=42&members=user:43"); resp == nil || resp.StatusCode != 401 {
		t.Errorf("the response for the inbox of 43 is %v", resp)
	}
	c, _ := n.dialV1("42&members=user:42+news")
	c.send(`{"type":"auth","ref":1,"token":"x"}`)
	if f := c.frame("error"); f.str("code") != "forbidden" {
		t.Errorf("the response for the inbox of 43 is %v", f)
	}
}

func TestTailsRespectTheMemoryLimit(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.TailMemory = 1 })
	c, _ := n.dialV1("42&channels=a,b")
	for i := range 600 {
		n.json("a", fmt.Sprint(i))
		n.json("b", fmt.Sprint(i))
	}
	next := map[string]int{}
	for range 1200 {
		m := c.frame("message")
		channel := m.str("channel")
		if int(m["data"].(float64)) != next[channel] {
			t.Fatalf("%s: got %v, want %d", channel, m["data"], next[channel])
		}
		next[channel]++
		if next[channel]%100 == 0 {
			c.send(`{"type":"ack","channel":%q,"seq":%d}`, channel, m.num("seq"))
		}
	}
}

func TestImpossibleLimits(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]wirepost.Options{
		"MaxConnections": {MaxConnections: -1},
		"HandshakeRate":  {HandshakeRate: -1},
		"ByteRate":       {ByteRate: -1},
	} {
		o.Authenticate = func(*http.Request) (wirepost.Identity, error) { return wirepost.Identity{}, nil }
		_, err := wirepost.New(o)
		wantOption(t, err, field)
	}
}
