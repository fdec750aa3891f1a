package hooks_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

// TestSubscribe: the backend decides about channels with a policy for it, by a command and
// in a connect request, and an outage is not a refusal.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer("subscribe", func(w http.ResponseWriter, r *http.Request) {
		switch asking(r).str("channel") {
		case "room:open":
			reply(204, "")(w, r)
		case "room:also":
			reply(200, "{}")(w, r)
		case "room:closed":
			reply(403, `{"detail":"members only"}`)(w, r)
		case "room:out":
			reply(401, `{"detail":"log in first"}`)(w, r)
		default:
			reply(500, `{"detail":"secret"}`)(w, r)
		}
	})
	s := newServer(t, b)
	c, hello := s.dialV1("token=7&device=d")
	for channel, want := range map[string][2]string{
		"room:open": {}, "room:also": {}, "news": {"forbidden", `this client may not subscribe to "news"`},
		"room:closed": {"forbidden", "members only"}, "room:out": {"forbidden", "log in first"},
		"room:broken": {"unavailable", "the application does not respond at the moment: try again later"},
	} {
		c.send(`{"type":"subscribe","ref":1,"channel":"` + channel + `"}`)
		if want[0] == "" {
			c.frame("ok")
		} else if e := c.frame("error"); e.str("code") != want[0] || e.str("message") != want[1] {
			t.Errorf("%s: %v", channel, e)
		}
		asked := b.questions()
		if channel == "news" {
			if len(asked) != 0 {
				t.Errorf("asked %v", asked)
			}
			continue
		}
		want := []question{{
			"type": "subscribe", "connection": hello.str("connection"), "user": "7", "device": "d", "mode": "wirepost.v1", "channel": channel,
		}}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Error(diff)
		}
	}
	for channel, status := range map[string]int{"room:open": 200, "room:closed": 403, "room:out": 403, "room:broken": 503} {
		if resp := s.get("/poll?wait=0&token=7&channels="+channel, nil); resp.StatusCode != status {
			t.Errorf("connecting with %s: %s", channel, resp.Status)
		}
	}
}

// TestPublish: the backend allows, refuses and changes what clients publish.
func TestPublish(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	b.answer("subscribe", reply(204, ""))
	s := newServer(t, b)
	c, _ := s.dialV1("token=7&channels=room:1")
	b.questions()
	failures := uint64(0)
	const (
		jsonFrame = `"data":{"a":1}`
		textFrame = `"data":"hi","content_type":"text/plain"`
		byteFrame = `"data_base64":"AAE="`
	)
	for _, tt := range []struct {
		publish string
		asked   question // the data of the question
		status  int
		answer  string
		want    question // the data of the message, or the code and the text of the error
	}{
		{jsonFrame, question{"data": map[string]any{"a": 1.0}, "content_type": "application/json"}, 204, "", question{"data": map[string]any{"a": 1.0}}},
		{textFrame, question{"data": "hi", "content_type": "text/plain"}, 200, "{}", question{"data": "hi", "content_type": "text/plain"}},
		{byteFrame, question{"data_base64": "AAE=", "content_type": "application/octet-stream"}, 200, "", question{"data_base64": "AAE=", "content_type": "application/octet-stream"}},
		{jsonFrame, nil, 200, `{"data": [1, 2]}`, question{"data": []any{1.0, 2.0}}},
		{textFrame, nil, 200, `{"data":"ho"}`, question{"data": "ho", "content_type": "text/plain"}},
		{textFrame, nil, 200, `{"data":{"b":2}}`, question{"data": map[string]any{"b": 2.0}}},
		{byteFrame, nil, 200, `{"data":"ho"}`, question{"data": "ho"}},
		{jsonFrame, nil, 200, `{"data_base64":"AQ=="}`, question{"data_base64": "AQ==", "content_type": "application/octet-stream"}},
		{jsonFrame, nil, 200, `{"data":"ho","content_type":"text/markdown"}`, question{"data": "ho", "content_type": "text/markdown"}},
		{jsonFrame, nil, 403, `{"detail":"too rude"}`, question{"code": "forbidden", "message": "too rude"}},
		{jsonFrame, nil, 500, ``, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data":{},"content_type":"text/plain"}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data":1,"data_base64":""}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data_base64":"?"}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `<html>`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data":"` + strings.Repeat("x", wirepost.DefaultMaxMessage) + `"}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data_base64":"/w==","content_type":"text/plain"}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data_base64":"ew==","content_type":"application/json"}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data_base64":"ew==","content_type":"?"}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, `{"data":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001) + `}`, question{"code": "unavailable"}},
		{jsonFrame, nil, 200, "{\"data\":\"\xff\"}", question{"code": "unavailable"}},
	} {
		b.answer("publish", reply(tt.status, tt.answer))
		c.send(`{"type":"publish","ref":1,"to":"room:1",` + tt.publish + `}`)
		got := question{}
		if tt.want.str("code") != "" {
			e := c.frame("error")
			got["code"] = e["code"]
			if got["code"] == "unavailable" {
				failures++
			}
			if tt.want["message"] != nil {
				got["message"] = e["message"]
			}
		} else {
			f := question{}
			for range 2 {
				var g question
				if err := c.ReadJSON(&g); err != nil {
					t.Fatal(err)
				}
				if g.str("type") == "message" {
					f = g
				}
			}
			for _, name := range []string{"data", "data_base64", "content_type"} {
				if f[name] != nil {
					got[name] = f[name]
				}
			}
			if f.str("from") != "7" {
				t.Errorf("%v", f)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s answered %d %s: %s", tt.publish, tt.status, tt.answer, diff)
		}
		asked := b.questions()
		if len(asked) != 1 || asked[0].str("channel") != "room:1" || asked[0].str("user") != "7" {
			t.Fatalf("asked %v", asked)
		}
		for name, value := range tt.asked {
			if diff := cmp.Diff(value, asked[0][name]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	if n := requests(s.hooks, "publish", "failed"); n != failures {
		t.Errorf("%d failures are counted, want %d", n, failures)
	}
	if list, _, err := s.Messages(t.Context(), "room:1", 0, 0); err != nil || len(list) != 9 {
		t.Errorf("%d messages, %v", len(list), err)
	}
}
