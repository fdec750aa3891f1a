package httpapi

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

// TestWebPush stores, lists and removes subscriptions of a user.
func TestWebPush(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) {
		o.WebPush = wirepost.WebPushOptions{Subject: "mailto:ops@example.com", AllowLoopback: true}
	})
	service := pushtest.New(t)
	a, b := service.Subscribe(""), service.Subscribe("")
	for _, sub := range []*pushtest.Subscription{a, b, a} {
		s.do("PUT", "/v1/users/42/webpush", string(sub.JSON())).is(204)
	}
	list := func() (endpoints []string) {
		t.Helper()
		var body struct {
			Subscriptions []struct{ Name, Endpoint string }
		}
		if err := json.Unmarshal(s.do("GET", "/v1/users/42/webpush", "").is(200).body, &body); err != nil {
			t.Fatal(err)
		}
		for _, sub := range body.Subscriptions {
			if !strings.HasPrefix(sub.Name, "127.0.0.1/") {
				t.Errorf("the name is %q", sub.Name)
			}
			endpoints = append(endpoints, sub.Endpoint)
		}
		return endpoints
	}
	if got := list(); len(got) != 2 {
		t.Errorf("%q", got)
	}
	s.do("DELETE", "/v1/users/42/webpush?endpoint=", "").problem(400, "endpoint")
	s.do("DELETE", "/v1/users/42/webpush?endpoint="+url.QueryEscape(a.Endpoint), "").is(204)
	if got := list(); len(got) != 1 || got[0] != b.Endpoint {
		t.Errorf("%q", got)
	}
	s.do("DELETE", "/v1/users/42/webpush", "").is(204)
	if got := list(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	for body, field := range map[string]string{
		`{`: "subscription", `[]`: "subscription", `{}`: "endpoint",
		`{"endpoint":"https://169.254.169.254/latest"}`:                   "endpoint",
		strings.Replace(string(a.JSON()), `"p256dh":"B`, `"p256dh":"`, 1): "keys.p256dh",
	} {
		s.do("PUT", "/v1/users/42/webpush", body).problem(400, field)
	}
	s.do("PUT", "/v1/users/4%202/webpush", string(a.JSON())).is(400)
}

// TestVAPID shows and imports the key pair.
func TestVAPID(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.WebPush.Subject = "mailto:ops@example.com" })
	const private, public = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
	if got := s.do("GET", "/v1/vapid", "").is(200).body; len(got) < 87 {
		t.Errorf("%s", got)
	}
	for body, field := range map[string]string{`{}`: "key", `{"key":""}`: "key", `{"key":"` + public + `"}`: "key", `{"pem":"x"}`: "pem"} {
		s.do("PUT", "/v1/vapid", body).problem(400, field)
	}
	for range 2 {
		if got := string(s.do("PUT", "/v1/vapid", `{"key":"`+private+`"}`).is(200).body); got != `{"vapid":"`+public+`"}`+"\n" && got != `{"vapid":"`+public+`"}` {
			t.Errorf("%s", got)
		}
	}
	off := newSite(t)
	off.do("GET", "/v1/vapid", "").is(404)
	off.do("PUT", "/v1/vapid", `{"key":"`+private+`"}`).is(404)
	off.do("GET", "/v1/users/42/webpush", "").is(404)
}
