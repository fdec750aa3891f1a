package webpush_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/webpush"
	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

// harness is a sender with its store and a clock.
type harness struct {
	*webpush.Sender
	t     *testing.T
	store *memory.Engine
	begun time.Time
	clock atomic.Int64 // what has passed since then
}

func (h *harness) now() time.Time { return h.begun.Add(time.Duration(h.clock.Load())) }

func newHarness(t *testing.T, service *pushtest.Service, change ...func(*webpush.Config)) *harness {
	t.Helper()
	h := &harness{t: t, begun: time.Now()}
	h.store = memory.New(memory.Options{Now: h.now})
	c := webpush.Config{
		Subject: "mailto:ops@example.com", Allow: webpush.Exceptions{Loopback: true}, Store: h.store, Now: h.now,
		Logger: slog.New(slog.DiscardHandler),
	}
	if service != nil {
		c.TLS = service.TLS
	}
	for _, fn := range change {
		fn(&c)
	}
	h.Sender = webpush.New(c)
	t.Cleanup(h.Close)
	return h
}

func (h *harness) put(user string, subs ...*pushtest.Subscription) {
	h.t.Helper()
	for _, sub := range subs {
		parsed, err := h.Parse(sub.JSON())
		if err == nil {
			err = h.Put(h.t.Context(), user, parsed, "d1")
		}
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *harness) send(user string, m escalation.Message, done ...string) escalation.Result {
	h.t.Helper()
	if m.Channel == "" {
		m.Channel, m.Seq, m.ID = "user:"+user, 7, "m7"
	}
	if m.Expires.IsZero() {
		m.Expires = h.now().Add(time.Hour)
	}
	result, err := h.Send(h.t.Context(), user, &m, done)
	if err != nil {
		h.t.Fatal(err)
	}
	return result
}

func (h *harness) want(result, want escalation.Result) {
	h.t.Helper()
	slices.Sort(want.Sent)
	slices.Sort(result.Sent)
	if diff := cmp.Diff(want, result); diff != "" {
		h.t.Error(diff)
	}
}

func (h *harness) endpoints(user string) (all []string) {
	h.t.Helper()
	list, err := h.List(h.t.Context(), user)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, sub := range list {
		all = append(all, sub.Endpoint)
	}
	return all
}

// received is the next message of a subscription, which has arrived.
func received(t *testing.T, sub *pushtest.Subscription) pushtest.Message {
	t.Helper()
	select {
	case m := <-sub.Messages():
		return m
	default:
		t.Fatal("nothing has arrived")
		return pushtest.Message{}
	}
}

// TestSend: a notification arrives at all browsers of its user, over HTTP/2, in the form that
// browsers can show by themselves, with the headers that follow from the message.
func TestSend(t *testing.T) {
	t.Parallel()
	service := pushtest.NewTLS(t)
	h := newHarness(t, service)
	a, b, other := service.Subscribe(h.Public()), service.Subscribe(h.Public()), service.Subscribe(h.Public())
	h.put("42", a, b)
	h.put("43", other)
	result := h.send("42", escalation.Message{
		Key: "order:1", ContentType: "application/json", Data: []byte(`{"order":1,"html":"<b>"}`),
		Notification: json.RawMessage(`{"title":"Your order <1>","body":"has shipped","url":"https://shop.example/orders/1"}`),
	})
	h.want(result, escalation.Result{Sent: []string{webpush.Name(a.Endpoint), webpush.Name(b.Endpoint)}})
	first := received(t, a)
	const text = `{"web_push":8030,"notification":{"body":"has shipped","navigate":"https://shop.example/orders/1","title":"Your order <1>"},` +
		`"wirepost":{"channel":"user:42","seq":7,"id":"m7","data":{"order":1,"html":"<b>"}}}`
	if string(first.Text) != text {
		t.Errorf("%s\nwant\n%s", first.Text, text)
	}
	want := pushtest.Message{
		ContentType: "application/notification+json", TTL: first.TTL, Urgency: "high", Subject: "mailto:ops@example.com",
		Key: h.Public(), Topic: first.Topic, Text: first.Text, Size: 1024, Padding: first.Padding, Proto: "HTTP/2.0",
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if first.TTL < 3500 || first.TTL > 3600 || len(first.Topic) != 32 {
		t.Errorf("TTL %d, topic %q", first.TTL, first.Topic)
	}
	if got := received(t, b); got.Topic != first.Topic || !bytes.Equal(got.Text, first.Text) {
		t.Errorf("the other browser got %+v", got)
	}
	if len(other.Messages()) != 0 {
		t.Error("another user was notified")
	}
	// What was sent is not sent again, and a user without subscriptions is sent nothing.
	h.want(h.send("42", escalation.Message{}, result.Sent...), escalation.Result{})
	h.want(h.send("nobody", escalation.Message{}), escalation.Result{})
	if stats := h.Stats(); stats.Requests["201"] != 2 || len(stats.Requests) != 1 {
		t.Errorf("%+v", stats)
	}
}

// TestForms: what is sent of notifications and data of all kinds.
func TestForms(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	sub := service.Subscribe("")
	h.put("42", sub)
	const about = `"wirepost":{"channel":"user:42","seq":7,"id":"m7"`
	long := `"` + strings.Repeat("x", 4000) + `"`
	for name, tt := range map[string]struct {
		m                 escalation.Message
		text, contentType string
		size              int
	}{
		"data alone": {
			escalation.Message{ContentType: "application/json", Data: []byte(`{"a":1}`)},
			`{` + about + `,"data":{"a":1}}}`, "application/octet-stream", 1024,
		},
		"text": {
			escalation.Message{ContentType: "text/plain", Data: []byte("hi \"you\"")},
			`{` + about + `,"content_type":"text/plain","data":"hi \"you\""}}`, "application/octet-stream", 1024,
		},
		"bytes": {
			escalation.Message{ContentType: "image/png", Data: []byte{0, 1}},
			`{` + about + `,"content_type":"image/png","data_base64":"AAE="}}`, "application/octet-stream", 1024,
		},
		"without a title": {
			escalation.Message{Notification: json.RawMessage(`{"body":"b","url":"/x"}`)},
			`{"notification":{"body":"b","url":"/x"},` + about + `}}`, "application/octet-stream", 1024,
		},
		"without a URL": {
			escalation.Message{Notification: json.RawMessage(`{"title":"t"}`)},
			`{"web_push":8030,"notification":{"navigate":"/","title":"t"},` + about + `}}`, "application/notification+json", 1024,
		},
		"with navigate": {
			escalation.Message{Notification: json.RawMessage(`{"title":"t","navigate":"/n","url":"/x","data":{"k":[1]}}`)},
			`{"web_push":8030,"notification":{"data":{"k":[1]},"navigate":"/n","title":"t"},` + about + `}}`, "application/notification+json", 1024,
		},
		"data that do not fit": {
			escalation.Message{ContentType: "application/json", Data: []byte(long), Notification: json.RawMessage(`{"title":"t"}`)},
			`{"web_push":8030,"notification":{"navigate":"/","title":"t"},` + about + `,"truncated":true}}`, "application/notification+json", 1024,
		},
		"data that just fit": {
			escalation.Message{ContentType: "application/json", Data: []byte(long[:3992-len(about)-11] + `"`)},
			`{` + about + `,"data":` + long[:3992-len(about)-11] + `"}}`, "application/octet-stream", 4096,
		},
	} {
		h.want(h.send("42", tt.m), escalation.Result{Sent: []string{webpush.Name(sub.Endpoint)}})
		m := received(t, sub)
		if string(m.Text) != tt.text || m.ContentType != tt.contentType || m.Size != tt.size {
			t.Errorf("%s: %d bytes, %s\n%s\nwant\n%s", name, m.Size, m.ContentType, m.Text, tt.text)
		}
	}
	result := h.send("42", escalation.Message{Notification: json.RawMessage(`{"title":` + long + `}`)})
	if len(result.Failed) != 1 || !strings.Contains(result.Failed[0].Reason, "more than 3993") {
		t.Errorf("a notification that does not fit: %+v", result)
	}
}

// TestTTL: the time to live is what is left of that of the message, and at most what push
// services take.
func TestTTL(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	sub := service.Subscribe("")
	h.put("42", sub)
	for _, tt := range []struct {
		left        time.Duration
		least, most int
	}{{-time.Minute, 0, 0}, {time.Minute, 50, 60}, {365 * 24 * time.Hour, 2419200, 2419200}} {
		h.send("42", escalation.Message{Expires: h.now().Add(tt.left), Urgency: "low"})
		if m := received(t, sub); m.TTL < tt.least || m.TTL > tt.most || m.Urgency != "low" || m.Topic != "" {
			t.Errorf("%s: %+v", tt.left, m)
		}
	}
}

// TestPrivateNetwork: requests are not sent to addresses that are not public, however the
// subscription came into the store, and no connection is made.
func TestPrivateNetwork(t *testing.T) {
	t.Parallel()
	service := pushtest.NewTLS(t)
	h := newHarness(t, service, func(c *webpush.Config) { c.Allow = webpush.Exceptions{} })
	sub := service.Subscribe("")
	if _, err := h.Parse(sub.JSON()); err == nil || !strings.Contains(err.Error(), "endpoint: 127.0.0.1 is not a public address") {
		t.Errorf("%v", err)
	}
	// Names are resolved when something is sent. This one leads to this machine, as one of an
	// attacker may.
	port := service.URL[strings.LastIndex(service.URL, ":"):]
	hosts := []string{"https://127.0.0.1", "https://[::1]", "https://[::ffff:127.0.0.1]", "https://localhost", "http://127.0.0.1"}
	if name, err := net.LookupAddr("127.0.0.1"); err == nil && len(name) > 0 {
		hosts = append(hosts, "https://"+strings.TrimSuffix(name[0], "."))
	}
	for i, host := range hosts {
		user := fmt.Sprint(i)
		stored := engine.PushSubscription{Endpoint: host + port + "/push", P256dh: sub.P256dh, Auth: sub.Auth}
		if err := h.Put(t.Context(), user, stored, ""); err != nil {
			t.Fatal(err)
		}
		if result := h.send(user, escalation.Message{}); len(result.Failed) != 1 || len(result.Again) != 0 {
			t.Errorf("%s: %+v", host, result)
		}
	}
	if len(sub.Messages()) != 0 {
		t.Error("a message has arrived")
	}
	allowed, err := webpush.ParseExceptions([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	h = newHarness(t, service, func(c *webpush.Config) { c.Allow = allowed })
	h.put("42", sub)
	h.want(h.send("42", escalation.Message{}), escalation.Result{Sent: []string{webpush.Name(sub.Endpoint)}})
}

// TestAnotherKeyPair: after an import, a subscription that was made before is removed when its
// push service refuses the new key, and a later one is not.
func TestAnotherKeyPair(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	first := h.Public()
	old := service.Subscribe(first)
	old.ExpectRefusals()
	h.put("42", old)
	pair, err := webpush.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Add(int64(time.Second))
	second := newHarness(t, service, func(c *webpush.Config) { c.Store = h.store }) // another node
	if second.Public() != first || first == "" {
		t.Fatalf("nodes have the keys %q and %q", first, second.Public())
	}
	if err := h.Import(t.Context(), pair); err != nil {
		t.Fatal(err)
	}
	if h.Public() != pair.Public() || second.Public() != pair.Public() {
		t.Fatalf("after the import of %s, nodes have the keys %q and %q", pair.Public(), h.Public(), second.Public())
	}
	if third := newHarness(t, service, func(c *webpush.Config) { c.Store = h.store }); third.Public() != pair.Public() {
		t.Fatalf("after a restart the key is %q", third.Public())
	}
	fresh, strange := service.Subscribe(pair.Public()), service.Subscribe(first)
	strange.ExpectRefusals()
	h.clock.Add(int64(time.Second))
	h.put("42", fresh)
	h.clock.Add(int64(time.Second))
	h.put("42", strange)
	result := h.send("42", escalation.Message{})
	if len(result.Sent) != 1 || len(result.Failed) != 2 {
		t.Errorf("%+v", result)
	}
	if diff := cmp.Diff([]string{fresh.Endpoint, strange.Endpoint}, h.endpoints("42")); diff != "" {
		t.Error(diff)
	}
}
