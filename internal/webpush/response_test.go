package webpush_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/webpush"
	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

// TestResponses: what becomes of a message and of its subscription is what the push service
// says.
func TestResponses(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	at := h.now().Add(10 * time.Minute)
	for name, tt := range map[string]struct {
		respond []http.HandlerFunc
		sent    bool
		failed  string
		retry   time.Duration
		within  time.Duration // of retry
		gone    bool
		posts   int
	}{
		"200":                   {respond: []http.HandlerFunc{pushtest.Status(200)}, sent: true},
		"202":                   {respond: []http.HandlerFunc{pushtest.Status(202)}, sent: true},
		"404":                   {respond: []http.HandlerFunc{pushtest.Status(404)}, failed: "404: the subscription has ended", gone: true},
		"410":                   {respond: []http.HandlerFunc{pushtest.Status(410)}, failed: "410: the subscription has ended", gone: true},
		"413":                   {respond: []http.HandlerFunc{pushtest.Status(413)}, sent: true},
		"413 also without data": {respond: []http.HandlerFunc{pushtest.Status(413), pushtest.Status(413)}, failed: "413: the push service refuses the message"},
		"429":                   {respond: []http.HandlerFunc{pushtest.Status(429, "Retry-After", "120")}, retry: 2 * time.Minute},
		"429 with a date":       {respond: []http.HandlerFunc{pushtest.Status(429, "Retry-After", at.UTC().Format(http.TimeFormat))}, retry: 10 * time.Minute, within: time.Minute},
		"429 with the past":     {respond: []http.HandlerFunc{pushtest.Status(429, "Retry-After", time.Unix(0, 0).UTC().Format(http.TimeFormat))}, retry: time.Second},
		"429 for a year":        {respond: []http.HandlerFunc{pushtest.Status(429, "Retry-After", "31536000")}, retry: time.Hour},
		"429 without a time":    {respond: []http.HandlerFunc{pushtest.Status(429)}, retry: 30 * time.Second},
		"429 with nonsense":     {respond: []http.HandlerFunc{pushtest.Status(429, "Retry-After", "-1")}, retry: 30 * time.Second},
		"500":                   {respond: []http.HandlerFunc{pushtest.Status(500)}, retry: 30 * time.Second},
		"503":                   {respond: []http.HandlerFunc{pushtest.Status(503, "Retry-After", "7")}, retry: 7 * time.Second},
		"301":                   {respond: []http.HandlerFunc{pushtest.Status(301, "Location", service.URL)}, failed: "301: the push service redirects, which is not followed"},
		"307":                   {respond: []http.HandlerFunc{pushtest.Status(307, "Location", service.URL)}, failed: "307: the push service redirects, which is not followed"},
		"400": {respond: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "bad\x00\x1b[31m  topic\n"+strings.Repeat("x", 1<<20), 400)
		}}, failed: "400: the push service refuses the message: bad[31m topic " + strings.Repeat("x", 186)},
		"401": {respond: []http.HandlerFunc{pushtest.Status(401)}, failed: "401: the push service refuses the message"},
		"700": {respond: []http.HandlerFunc{pushtest.Status(700)}, failed: "700: the push service refuses the message"},
	} {
		sub := service.Subscribe("")
		sub.Respond(tt.respond...)
		h.put(name, sub)
		result := h.send(name, escalation.Message{ContentType: "application/json", Data: []byte(`1`)})
		var want escalation.Result
		id := webpush.Name(sub.Endpoint)
		if tt.sent {
			want.Sent = []string{id}
		}
		if tt.failed != "" {
			want.Failed = []escalation.Failure{{Name: id, Reason: tt.failed}}
		}
		if tt.retry > 0 {
			asks := escalation.Failure{Name: id, Reason: name[:3] + ": the push service asks to be tried again"}
			want.Again = []escalation.Retry{{Failure: asks, After: tt.retry}}
		}
		if retry := after(result); tt.within > 0 && retry <= tt.retry && retry > tt.retry-tt.within {
			want.Again[0].After = retry
		}
		if diff := cmp.Diff(want, result); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if gone := len(h.endpoints(name)) == 0; gone != tt.gone {
			t.Errorf("%s: the subscription was removed: %v", name, gone)
		}
		if name == "413" {
			if m := received(t, sub); !strings.Contains(string(m.Text), `"truncated":true`) {
				t.Errorf("sent after a 413: %s", m.Text)
			}
		}
	}
	stats := h.Stats()
	if diff := cmp.Diff(map[string]uint64{"gone": 2}, stats.Removed); diff != "" {
		t.Error(diff)
	}
	if stats.Requests["413"] != 3 || stats.Requests["429"] != 6 || stats.Requests["7xx"] != 1 {
		t.Errorf("%+v", stats.Requests)
	}
}

// TestEnded: a push service that does not know a subscription any more ends it, and the other
// browser is notified.
func TestEnded(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	a, b := service.Subscribe(""), service.Subscribe("")
	h.put("42", a, b)
	service.Unsubscribe(a)
	h.want(h.send("42", escalation.Message{}), escalation.Result{
		Sent:   []string{webpush.Name(b.Endpoint)},
		Failed: []escalation.Failure{{Name: webpush.Name(a.Endpoint), Reason: "410: the subscription has ended"}},
	})
	if diff := cmp.Diff([]string{b.Endpoint}, h.endpoints("42")); diff != "" {
		t.Error(diff)
	}
}

// after is when to try the only subscription again that a push service asks for; 0: none.
func after(r escalation.Result) time.Duration {
	if len(r.Again) != 1 {
		return 0
	}
	return r.Again[0].After
}

// TestSilent: a push service that does not respond is not asked again at once, and does not
// keep others from being asked.
func TestSilent(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer silent.Close()
	sub, lost := service.Subscribe(""), service.Subscribe("")
	lost.Endpoint = silent.URL + "/x"
	h.put("42", sub, lost)
	for n, want := range []time.Duration{time.Second, time.Second, 2 * time.Second, 4 * time.Second} {
		result := h.send("42", escalation.Message{})
		if retry := after(result); len(result.Sent) != 1 || retry <= 0 || retry > want || retry < want-time.Second {
			t.Errorf("%d: %+v, want %s", n, result, want)
		}
		if n > 0 {
			h.clock.Add(int64(want))
		}
	}
	if got := h.Stats().Requests["no_response"]; got != 3 {
		t.Errorf("%d requests", got)
	}
}

// TestTimeout: a response that does not end holds nothing up longer than the context.
func TestTimeout(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	sub := service.Subscribe("")
	ctx, cancel := context.WithCancel(t.Context())
	sub.Respond(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	h.put("42", sub)
	result, err := h.Send(ctx, "42", &escalation.Message{Channel: "user:42", Expires: h.now().Add(time.Hour)}, nil)
	if err != nil || after(result) == 0 || len(result.Sent)+len(result.Failed) != 0 {
		t.Errorf("%+v, %v", result, err)
	}
}
