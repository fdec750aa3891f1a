package wirepost_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

func withWebPush(o *wirepost.Options) {
	o.WebPush = wirepost.WebPushOptions{Subject: "mailto:ops@example.com", AllowLoopback: true}
}

// TestWebPush: a browser subscribes with the key in its hello, and a message that it did not
// acknowledge in time arrives as a notification.
func TestWebPush(t *testing.T) {
	t.Parallel()
	n := newNode(t, onDisk(t), withWebPush)
	service := pushtest.New(t)
	c, hello := n.dialV1("42&device=laptop")
	key, err := n.VAPIDKey()
	if err != nil || hello.str("vapid") != key || len(key) != 87 {
		t.Fatalf("hello has the key %q, the server %q, %v", hello.str("vapid"), key, err)
	}
	sub := service.Subscribe(key)
	c.send(`{"type":"webpush","ref":1,"subscription":%s}`, sub.JSON())
	c.frame("ok")
	list, err := n.WebPush(t.Context(), "42")
	if err != nil || len(list) != 1 || list[0].Endpoint != sub.Endpoint || list[0].Device != "laptop" || !list[0].Expires.IsZero() {
		t.Fatalf("%+v, %v", list, err)
	}
	late := n.push(wirepost.Push{
		To: "user:42", Data: []byte(`"missed"`), Key: "k",
		Escalate:     []wirepost.EscalationStep{{After: time.Second, Via: wirepost.ViaWebPush}},
		Notification: json.RawMessage(`{"title":"You have mail","url":"https://mail.example/"}`),
	})
	c.message(`"missed"`)
	m := <-sub.Messages()
	want := `{"web_push":8030,"notification":{"navigate":"https://mail.example/","title":"You have mail"},"wirepost":{"channel":"user:42","seq":`
	if !strings.HasPrefix(string(m.Text), want) || !strings.Contains(string(m.Text), `"id":"`+late.ID+`","data":"missed"}`) || m.Topic == "" {
		t.Errorf("notified of %s, %+v", m.Text, m)
	}
	eventually(t, "the state of the escalation", func() bool {
		state, err := n.Escalation(t.Context(), "user:42", late.Seq)
		return err == nil && state != nil && len(state.Steps) == 1 && slices.Equal(state.Steps[0].Sent, []string{list[0].Name})
	})
	if got := n.Metrics().WebPush.Requests; got["201"] != 1 || len(sub.Messages()) != 0 {
		t.Errorf("requests %v, and %d messages more", got, len(sub.Messages()))
	}

	c.send(`{"type":"webpush","ref":2,"subscription":null,"endpoint":"%s"}`, sub.Endpoint)
	c.frame("ok")
	if list, err = n.WebPush(t.Context(), "42"); err != nil || len(list) != 0 {
		t.Errorf("after the removal: %+v, %v", list, err)
	}
}

// TestWebPushRefusals: what is wrong with a subscription is said to who sends it.
func TestWebPushRefusals(t *testing.T) {
	t.Parallel()
	n := newNode(t, withWebPush)
	off := newNode(t)
	c, _ := n.dialV1("42")
	without, hello := off.dialV1("42")
	if hello["vapid"] != nil {
		t.Errorf("hello without Web Push: %v", hello)
	}
	sub := pushtest.New(t).Subscribe("")
	for _, tt := range []struct {
		c                   *client
		frame, code, detail string
	}{
		{c, `{"type":"webpush","ref":1}`, "bad_request", `webpush: a "subscription" is needed, or the "endpoint"`},
		{c, `{"type":"webpush","ref":1,"subscription":null}`, "bad_request", `webpush: a "subscription" is needed`},
		{c, `{"type":"webpush","ref":1,"subscription":1}`, "bad_request", "subscription: it is not an object"},
		{c, `{"type":"webpush","ref":1,"subscription":{"endpoint":"http://push.example/1","keys":{}}}`, "bad_request", "endpoint: it must begin with https://"},
		{c, `{"type":"webpush","ref":1,"subscription":{"endpoint":"https://10.0.0.1/1","keys":{}}}`, "bad_request", "endpoint: 10.0.0.1 is not a public address"},
		{c, `{"type":"webpush","ref":1,"subscription":` + strings.Replace(string(sub.JSON()), `"auth":"`, `"auth":"xx`, 1) + `}`, "bad_request", "keys.auth: it does not have 16 bytes"},
		{c, `{"type":"webpush","ref":1,"endpoint":5}`, "bad_request", `"endpoint"`},
		{without, `{"type":"webpush","ref":1,"subscription":` + string(sub.JSON()) + `}`, "not_found", "Web Push is off"},
	} {
		tt.c.send("%s", tt.frame)
		if e := tt.c.frame("error"); e.str("code") != tt.code || !strings.Contains(e.str("message"), tt.detail) {
			t.Errorf("%s: %v", tt.frame, e)
		}
	}
	c.send(`{"type":"webpush","ref":9,"endpoint":"https://unknown.example/"}`)
	c.frame("ok")
	if err := off.AddWebPush(t.Context(), "42", sub.JSON()); !errors.Is(err, wirepost.ErrNotFound) {
		t.Errorf("without Web Push: %v", err)
	}
	if err := n.AddWebPush(t.Context(), "4 2", sub.JSON()); !errors.Is(err, wirepost.ErrBadRequest) {
		t.Errorf("an invalid user: %v", err)
	}
	if err := n.ImportVAPIDKey(t.Context(), "x"); !errors.Is(err, wirepost.ErrBadRequest) {
		t.Errorf("an invalid key: %v", err)
	}
}

func TestWebPushOptions(t *testing.T) {
	t.Parallel()
	for option, o := range map[string]wirepost.WebPushOptions{
		"WebPush.Subject": {Subject: "ops@example.com"},
		"WebPush.Allow":   {Subject: "mailto:ops@example.com", Allow: []string{"https://push.example"}},
	} {
		_, err := wirepost.New(wirepost.Options{Authenticate: byQuery, WebPush: o})
		wantOption(t, err, option)
	}
}

// TestVAPIDKeyIsKept: the key pair and the subscriptions survive a restart, and an imported
// key pair replaces it, for the clients that connect from then on.
func TestVAPIDKeyIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := func(o *wirepost.Options) {
		e, err := pebble.Open(dir, pebble.Options{Logger: o.Logger})
		if err != nil {
			t.Fatal(err)
		}
		o.Engine = e
	}
	service := pushtest.New(t)
	n := newNode(t, disk, withWebPush)
	first, err := n.VAPIDKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.AddWebPush(t.Context(), "42", service.Subscribe(first).JSON()); err != nil {
		t.Fatal(err)
	}
	n.stop()
	n = newNode(t, disk, withWebPush)
	if key, err := n.VAPIDKey(); err != nil || key != first {
		t.Errorf("after a restart the key is %q, %v, and was %q", key, err, first)
	}
	if list, err := n.WebPush(t.Context(), "42"); err != nil || len(list) != 1 {
		t.Errorf("subscriptions after a restart: %+v, %v", list, err)
	}
	const private, public = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
	if err := n.ImportVAPIDKey(t.Context(), private); err != nil {
		t.Fatal(err)
	}
	if _, hello := n.dialV1("42"); hello.str("vapid") != public {
		t.Errorf("after the import: %v", hello)
	}
	// The channel of the key pair is the server's own.
	if _, _, err := n.Messages(t.Context(), "$webpush", 0, 10); !errors.Is(err, wirepost.ErrBadRequest) {
		t.Errorf("reading the key pair: %v", err)
	}
	channels, _, err := n.Channels(t.Context(), wirepost.ListQuery{})
	if text, _ := json.Marshal(channels); err != nil || bytes.Contains(text, []byte("$")) {
		t.Errorf("channels: %s, %v", text, err)
	}
}
