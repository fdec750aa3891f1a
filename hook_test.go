package wirepost_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wirepost/wirepost"
)

// decider is an application that decides about channels by their names, and records the
// questions.
type decider struct {
	mu        sync.Mutex
	asked     []string
	decisions map[string]error // by channel
}

func (d *decider) ask(s wirepost.Session, channel string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, s.User+" "+channel)
	return d.decisions[channel]
}

func (d *decider) set(channel string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.decisions[channel] = err
}

func (d *decider) questions() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = nil
	return asked
}

// newDecider makes a decider that is asked about every channel.
func newDecider(o *wirepost.Options) *decider {
	d := &decider{decisions: map[string]error{
		"closed": wirepost.Errorf(wirepost.CodeForbidden, "members only"),
		"outage": errors.New("dial tcp 10.0.0.5:5432: no route to host"),
	}}
	o.Channels = []wirepost.Policy{{Pattern: "*", Subscribe: wirepost.AccessHook, Publish: wirepost.AccessHook}}
	o.OnSubscribe = func(_ context.Context, s wirepost.Session, channel string) error {
		if channel == "panic" {
			panic("10.0.0.5")
		}
		return d.ask(s, channel)
	}
	o.OnPublish = func(_ context.Context, s wirepost.Session, p *wirepost.Push) error { return d.ask(s, p.To) }
	return d
}

// TestOnSubscribe: the application decides on every endpoint, and a failure to decide
// is an outage.
func TestOnSubscribe(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	n := newNode(t, func(o *wirepost.Options) {
		newDecider(o)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	outcomes := map[string]struct {
		status int
		code   string
		text   string
	}{
		"open":   {status: http.StatusOK},
		"closed": {http.StatusForbidden, "forbidden", "members only"},
		"outage": {http.StatusServiceUnavailable, "unavailable", "cannot check this subscription"},
		"panic":  {http.StatusInternalServerError, "internal", "internal error"},
	}
	for channel, want := range outcomes {
		for _, path := range []string{"/ws", "/sse", "/poll"} {
			if path == "/sse" && want.code == "" {
				continue // the stream would not end
			}
			resp := n.get(path, "user=42&wait=0&channels="+channel, "Connection", "Upgrade", "Upgrade", "websocket",
				"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			if path == "/ws" && want.code == "" {
				want.status = http.StatusSwitchingProtocols
			} else if want.code == "" {
				want.status = http.StatusOK
			}
			var body []byte
			if resp.StatusCode != http.StatusSwitchingProtocols {
				body, _ = io.ReadAll(resp.Body)
			}
			if resp.StatusCode != want.status || !strings.Contains(string(body), want.text) || strings.Contains(string(body), "10.0.0.5") {
				t.Errorf("%s?channels=%s: %s %s", path, channel, resp.Status, body)
			}
		}
		c, _ := n.dialV1("42")
		c.send(`{"type":"subscribe","ref":1,"channel":%q}`, channel)
		if want.code == "" {
			c.frame("ok")
			n.json(channel, "1")
			c.message("1")
			continue
		}
		e := c.frame("error")
		if e.str("code") != want.code || !strings.Contains(e.str("message"), want.text) || strings.Contains(e.str("message"), "10.0.0.5") {
			t.Errorf("subscribe %s: %v", channel, e)
		}
	}
	if k := strings.Count(log.String(), "no route to host"); k < 4 {
		t.Errorf("4 outages have %d lines in the log: %s", k, log.String())
	}
}

// TestNothingToAskFor: memberships, the own inbox and all do not need a decision.
func TestNothingToAskFor(t *testing.T) {
	t.Parallel()
	var d *decider
	n := newNode(t, func(o *wirepost.Options) { d = newDecider(o) })
	if err := n.Join(t.Context(), "42", "closed"); err != nil {
		t.Fatal(err)
	}
	c, _ := n.dialV1("42&channels=user:42,all")
	c.send(`{"type":"subscribe","ref":1,"channel":"user:7"}`)
	if e := c.frame("error"); e.str("code") != "forbidden" {
		t.Errorf("another user's inbox: %v", e)
	}
	c.send(`{"type":"publish","ref":2,"to":"all","data":1}`)
	if e := c.frame("error"); e.str("code") != "forbidden" {
		t.Errorf("a publish to all: %v", e)
	}
	n.json("closed", "1")
	c.message("1")
	if asked := d.questions(); asked != nil {
		t.Errorf("asked about %q", asked)
	}
}

// TestOnSubscribeAgain: with a new token the application is asked again about the
// channels that the client requested. Until it has decided, nothing changes.
func TestOnSubscribeAgain(t *testing.T) {
	t.Parallel()
	var d *decider
	n := newNode(t, func(o *wirepost.Options) {
		d = newDecider(o)
		o.VerifyToken = func(_ context.Context, token string) (wirepost.Identity, error) {
			return wirepost.Identity{User: token}, nil
		}
	})
	c, _ := n.dialV1("42&channels=a")
	c.send(`{"type":"subscribe","ref":1,"channel":"b"}`)
	c.frame("ok")
	refresh := func() frame {
		c.send(`{"type":"auth","ref":2,"token":"42"}`)
		var f frame
		if err := json.Unmarshal([]byte(c.next()), &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	d.questions()
	if f := refresh(); f.str("type") != "ok" {
		t.Errorf("allowed: %v", f)
	}
	if asked := d.questions(); !slices.Equal(asked, []string{"42 a", "42 b"}) {
		t.Errorf("asked about %q", asked)
	}
	d.set("b", errors.New("the database is down"))
	if f := refresh(); f.str("code") != "unavailable" {
		t.Errorf("an outage: %v", f)
	}
	n.json("b", "1")
	c.message("1")
	d.set("b", wirepost.Errorf(wirepost.CodeForbidden, "you left"))
	if f := refresh(); f.str("type") != "ok" {
		t.Errorf("one refused: %v", f)
	}
	if f := c.frame("unsubscribed"); f.str("channel") != "b" {
		t.Errorf("%v", f)
	}
	n.json("b", "2")
	n.json("a", "3")
	c.message("3")
}

// TestOnPublish: the application allows, refuses and changes what clients publish.
func TestOnPublish(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		newDecider(o)
		decide := o.OnPublish
		o.OnPublish = func(ctx context.Context, s wirepost.Session, p *wirepost.Push) error {
			switch p.To {
			case "signed":
				p.Data = []byte(`{"by": "` + s.User + `", "said": ` + string(p.Data) + `}`)
				p.To, p.ID = "elsewhere", "another"
			case "broken":
				p.Data = []byte("{")
			case "large":
				p.Data = fmt.Appendf(nil, "%*d", wirepost.DefaultMaxMessage+1, 1)
			}
			return decide(ctx, s, p)
		}
	})
	c, _ := n.dialV1("42&channels=signed")
	c.send(`{"type":"publish","ref":1,"to":"signed","id":"k","data":"hi"}`)
	got := map[string]frame{}
	for range 2 {
		var f frame
		if err := json.Unmarshal([]byte(c.next()), &f); err != nil {
			t.Fatal(err)
		}
		got[f.str("type")] = f
	}
	if f := got["ok"]; f.str("id") != "k" {
		t.Errorf("%v", f)
	}
	if data, _ := json.Marshal(got["message"]["data"]); string(data) != `{"by":"42","said":"hi"}` || got["message"].str("from") != "42" {
		t.Errorf("%v", got["message"])
	}
	for to, code := range map[string]string{"closed": "forbidden", "outage": "unavailable", "broken": "unavailable", "large": "unavailable"} {
		c.send(`{"type":"publish","ref":2,"to":%q,"data":1}`, to)
		if e := c.frame("error"); e.str("code") != code {
			t.Errorf("%s: %v", to, e)
		}
		if list, _, err := n.Messages(t.Context(), to, 0, 0); err != nil || len(list) != 0 {
			t.Errorf("%s has %v, %v", to, list, err)
		}
	}
}

// TestHooksDelayOnlyTheirClient: while the application decides about one client's
// request, that client's messages and all other clients are served.
func TestHooksDelayOnlyTheirClient(t *testing.T) {
	t.Parallel()
	asked, decided := make(chan string), make(chan struct{})
	n := newNode(t, func(o *wirepost.Options) {
		o.Loops = 1
		newDecider(o)
		o.OnSubscribe = func(_ context.Context, _ wirepost.Session, channel string) error {
			asked <- channel
			<-decided
			return nil
		}
	})
	c, _ := n.dialV1("42")
	c.send(`{"type":"subscribe","ref":1,"channel":"a"}`)
	c.send(`{"type":"subscribe","ref":2,"channel":"b"}`)
	if got := <-asked; got != "a" {
		t.Errorf("asked about %s first", got)
	}
	n.json("user:42", "1")
	c.message("1")
	other, _ := n.dialV1("7")
	other.send(`{"type":"publish","ref":1,"to":"user:42","data":2}`)
	other.frame("ok")
	c.message("2")
	select {
	case got := <-asked:
		t.Errorf("asked about %s at the same time", got)
	default:
	}
	decided <- struct{}{}
	c.frame("ok")
	<-asked
	decided <- struct{}{}
	c.frame("ok")
}

// TestHooksAreSet: New refuses a policy that needs a callback that is not set.
func TestHooksAreSet(t *testing.T) {
	t.Parallel()
	for field, p := range map[string]wirepost.Policy{
		"OnSubscribe": {Pattern: "room:*", Subscribe: wirepost.AccessHook},
		"OnPublish":   {Pattern: "room:*", Publish: wirepost.AccessHook},
	} {
		_, err := wirepost.New(wirepost.Options{Authenticate: byQuery, Channels: []wirepost.Policy{p}})
		wantOption(t, err, field)
	}
}
