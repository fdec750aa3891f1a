package wirepost_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

// account is a program's data about a connected user.
type account struct{ plan string }

// TestIdentityData: the Data of Authenticate is available in every callback, in both
// modes.
func TestIdentityData(t *testing.T) {
	t.Parallel()
	gold := &account{plan: "gold"}
	seen := make(chan any, 10)
	n := newNode(t, func(o *wirepost.Options) {
		o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
			id, err := byQuery(r)
			id.Data = gold
			return id, err
		}
		o.OnConnect = func(_ *http.Request, s wirepost.Session) error { seen <- s.Data; return nil }
		o.OnMessage = func(_ context.Context, s wirepost.Session, _ wirepost.Frame) (wirepost.Frame, error) {
			seen <- s.Data
			return wirepost.Frame{}, nil
		}
		o.OnDisconnect = func(_ context.Context, s wirepost.Session, _ wirepost.CloseInfo) { seen <- s.Data }
	})
	for _, protocol := range [][]string{nil, {"wirepost.v1"}} {
		c := n.dial("42", protocol...)
		if protocol == nil {
			c.send("hi")
		} else {
			c.frame("hello")
			c.send(`{"type":"message","ref":1,"data":"hi"}`)
			c.frame("ok")
		}
		if list := n.sessions("42"); len(list) != 1 || list[0].Data != gold {
			t.Errorf("listed as %+v", list)
		}
		for range 2 {
			if got := <-seen; got != gold {
				t.Errorf("a callback saw %v", got)
			}
		}
		c.leave()
		if got := <-seen; got != gold {
			t.Errorf("OnDisconnect saw %v", got)
		}
		n.gone("42")
	}
}

// TestRequestValues: callbacks find the values that middleware put into the request's
// context in theirs, also after the request has ended, in each mode.
func TestRequestValues(t *testing.T) {
	t.Parallel()
	type tenant struct{}
	type call struct {
		name   string
		tenant any
		ended  bool
	}
	calls := make(chan call, 10)
	note := func(name string, ctx context.Context) { calls <- call{name, ctx.Value(tenant{}), ctx.Err() != nil} }
	n := newNode(t, func(o *wirepost.Options) {
		o.Window = 2
		o.OnMessage = func(ctx context.Context, _ wirepost.Session, _ wirepost.Frame) (wirepost.Frame, error) {
			note("message", ctx)
			return wirepost.Frame{}, nil
		}
		o.OnCall = func(ctx context.Context, _ wirepost.Session, _ string, _ json.RawMessage) (any, error) {
			note("call", ctx)
			return 1, nil
		}
		o.OnAck = func(ctx context.Context, _ wirepost.Session, _ string, _ uint64) { note("ack", ctx) }
		o.OnRead = func(ctx context.Context, _, _ string, _ uint64) { note("read", ctx) }
		o.OnDisconnect = func(ctx context.Context, _ wirepost.Session, _ wirepost.CloseInfo) { note("disconnect", ctx) }
	})
	expect := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if got := <-calls; got != (call{name, "acme", false}) {
				t.Errorf("%+v, want %s", got, name)
			}
		}
	}
	ended := make(chan struct{}, 10)
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), tenant{}, "acme"))
		n.routes().ServeHTTP(w, r.WithContext(ctx))
		cancel()
		ended <- struct{}{}
	}))
	t.Cleanup(hs.Close)
	n.host = strings.TrimPrefix(hs.URL, "http://")

	v1, _ := n.dialV1("42")
	<-ended
	n.json("user:42", "1")
	v1.message("1")
	v1.send(`{"type":"message","ref":1,"data":"hi"}`)
	v1.frame("ok")
	v1.send(`{"type":"call","ref":2,"method":"m"}`)
	v1.frame("reply")
	v1.send(`{"type":"ack","channel":"user:42","seq":1}`)
	v1.send(`{"type":"read","channel":"user:42","seq":1}`)
	expect("message", "call", "ack", "read")
	v1.leave()
	expect("disconnect")
	plain := n.dial("7")
	<-ended
	plain.send("hi")
	expect("message")
	plain.leave()
	expect("disconnect")
	n.get("/poll", "user=7&wait=0")
	expect("disconnect")
}

// TestOnAckAndOnRead: a program is notified of the progress of a device, by pongs, by
// acks and by polls, and of the read mark.
func TestOnAckAndOnRead(t *testing.T) {
	t.Parallel()
	type moved struct {
		user, channel string
		seq           uint64
	}
	acks, reads := make(chan moved, 10), make(chan moved, 10)
	n := newNode(t, func(o *wirepost.Options) {
		o.Window = 2 // half of it is one message: the ping follows at once
		o.OnAck = func(_ context.Context, s wirepost.Session, channel string, seq uint64) {
			acks <- moved{s.User + "/" + s.Device, channel, seq}
		}
		o.OnRead = func(_ context.Context, user, channel string, seq uint64) { reads <- moved{user, channel, seq} }
	})
	expect := func(from chan moved, user string, seq uint64) {
		t.Helper()
		select {
		case got := <-from:
			if got != (moved{user, "user:42", seq}) {
				t.Errorf("%+v, want %s at %d", got, user, seq)
			}
		case <-time.After(patience):
			t.Fatalf("no callback for %s at %d", user, seq)
		}
	}
	c, _ := n.dialV1("42&device=phone")
	n.json("user:42", "1")
	c.message("1")
	c.send(`{"type":"ack","channel":"user:42","seq":1}`)
	expect(acks, "42/phone", 1)
	c.send(`{"type":"read","channel":"user:42","seq":1}`)
	expect(reads, "42", 1)
	c.leave()
	n.gone("42")

	p := n.dial("42&device=tab")
	n.json("user:42", "2")
	p.want("2")
	n.json("user:42", "3")
	p.want("3") // the ping before it is answered while reading
	expect(acks, "42/tab", 2)
	expect(reads, "42", 2)
	if _, _, err := n.MarkRead(t.Context(), "42", "user:42", 3); err != nil {
		t.Fatal(err)
	}
	expect(reads, "42", 3)
}

// TestOneConnection sends to one connection, and closes one with a code.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	a, b := n.dial("42"), n.dial("42")
	v1, hello := n.dialV1("7")
	if got := maps.Collect(n.OnlineUsers()); !maps.Equal(got, map[string]int{"42": 2, "7": 1}) {
		t.Errorf("online: %v", got)
	}
	sessions := n.sessions("42")
	first, second := sessions[0].Connection, sessions[1].Connection
	if err := n.SendTo(t.Context(), "42", second, wirepost.Frame{Data: []byte("only you")}); err != nil {
		t.Fatal(err)
	}
	b.want("only you")
	for want, err := range map[error]error{
		wirepost.ErrNotFound:   n.SendTo(t.Context(), "42", hello.str("connection"), wirepost.Frame{}),
		wirepost.ErrTooLarge:   n.SendTo(t.Context(), "42", first, wirepost.Frame{Data: make([]byte, n.MaxMessage()+1)}),
		wirepost.ErrBadRequest: n.SendTo(t.Context(), "7", hello.str("connection"), wirepost.Frame{}),
	} {
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	for _, info := range []wirepost.CloseInfo{{Code: 1006}, {Code: 5000}, {Code: 4000, Reason: "\xff"}} {
		if err := n.CloseConnection(t.Context(), "42", first, info); !errors.Is(err, wirepost.ErrBadRequest) {
			t.Errorf("%+v: %v", info, err)
		}
	}
	if err := n.CloseConnection(t.Context(), "42", first, wirepost.CloseInfo{Code: 4000, Reason: "moved"}); err != nil {
		t.Fatal(err)
	}
	if n.online("42") != 1 {
		t.Errorf("%d connections are left", n.online("42"))
	}
	if code := a.closeCode(); code != 4000 {
		t.Errorf("closed with %d", code)
	}
	n.json("user:7", `"still here"`)
	v1.message(`"still here"`)
}
