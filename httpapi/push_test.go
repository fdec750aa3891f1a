package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
	"github.com/wirepost/wirepost/internal/payload"
)

func TestPush(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.push(`{"to":"user:42","data":{"n": 1},"id":"one","key":"k","ttl":"1h"}`).is(202).pushed()
	if len(first) != 1 || first[0].To != "user:42" || first[0].ID != "one" || first[0].Seq == 0 || first[0].Online != 0 {
		t.Fatalf("%+v", first)
	}
	c := s.dial("42")
	if _, data, err := c.ReadMessage(); err != nil || string(data) != `{"n":1}` {
		t.Fatalf("%q %v", data, err)
	}
	again := s.push(`{"to":"user:42","data":{"n":1},"id":"one"}`).is(201).pushed()
	if !again[0].Duplicate || again[0].Seq != first[0].Seq || again[0].Online != 1 {
		t.Errorf("repeated: %+v", again)
	}
	many := s.push(`{"to":["user:1","user:42","room:7","user:42"],"data":"x","content_type":"text/plain"}`).is(201).pushed()
	var got []string
	for _, p := range many {
		got = append(got, fmt.Sprintf("%s %d %t", p.To, p.Online, p.Duplicate))
	}
	if diff := cmp.Diff([]string{"user:1 0 false", "user:42 1 false", "room:7 0 false", "user:42 1 true"}, got); diff != "" {
		t.Error(diff)
	}
	if many[1].Seq != many[3].Seq || many[1].ID != many[3].ID {
		t.Errorf("a channel named twice has two messages: %+v", many)
	}
	if _, data, err := c.ReadMessage(); err != nil || string(data) != "x" {
		t.Errorf("%q %v", data, err)
	}
}

func TestPushAllOrNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.push(`{"to":["user:1","bad name"],"data":1}`).problem(400, "to")
	s.push(`{"to":["user:1","user:2"],"data":1,"id":"`+strings.Repeat("i", 129)+`"}`).problem(400, "id")
	for _, user := range []string{"1", "2"} {
		if list, _, err := s.Messages(t.Context(), wirepost.InboxOf(user), 0, 0); err != nil || len(list) != 0 {
			t.Errorf("user %s got %v %v", user, list, err)
		}
	}
	names := make([]string, parse.MaxTargets)
	for i := range names {
		names[i] = fmt.Sprintf("user:%d", i)
	}
	list, _ := json.Marshal(names)
	if got := s.push(`{"to":` + string(list) + `,"data":1}`).is(202).pushed(); len(got) != parse.MaxTargets || got[999].To != "user:999" {
		t.Errorf("%d results", len(got))
	}
}

// TestData pushes data of every kind and lists it.
func TestData(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	raw := func(contentType, body string) response {
		return s.do("POST", "/v1/push/room", body, "Content-Type: "+contentType)
	}
	for _, tt := range []struct {
		name        string
		push        response
		contentType string
		data        string
	}{
		{"json", s.push(`{"to":"room","data": { "a" : [1, "ü"] } }`), "", `{"a":[1,"ü"]}`},
		{"json of a kind", s.push(`{"to":"room","data":[ ],"content_type":"application/ld+json"}`), "application/ld+json", `[]`},
		{"text", s.push(`{"to":"room","data":"a\nb","content_type":"text/html"}`), "text/html", `"a\nb"`},
		{"base64", s.push(`{"to":"room","data_base64":"AP8="}`), payload.BytesType, "base64:\x00\xff"},
		{"base64 text", s.push(`{"to":"room","data_base64":"aGk=","content_type":"text/plain"}`), payload.TextType, `"hi"`},
		{"base64 json", s.push(`{"to":"room","data_base64":"eyB9","content_type":"application/json"}`), "", `{ }`},
		{"curl -d", raw(formType, "hello"), payload.TextType, `"hello"`},
		{"curl --data-binary", raw(formType, "\xff\x00"), payload.BytesType, "base64:\xff\x00"},
		{"no type", raw("", "hello"), payload.TextType, `"hello"`},
		{"no type, bytes", raw("", "\xc3\x28"), payload.BytesType, "base64:\xc3\x28"},
		{"empty", raw("", ""), payload.TextType, `""`},
		{"raw json", raw("application/json", `{ "a" : 1 }`), "", `{ "a" : 1 }`},
		{"raw text", raw("text/markdown; charset=utf-8", "# hi"), "text/markdown; charset=utf-8", `"# hi"`},
		{"raw png", raw("image/png", "\x89PNG"), "image/png", "base64:\x89PNG"},
	} {
		p := tt.push.is(202).pushed()[0]
		var got struct {
			Message struct {
				ContentType string          `json:"content_type"`
				Data        json.RawMessage `json:"data"`
				Base64      *string         `json:"data_base64"`
			}
		}
		a := s.do("GET", fmt.Sprintf("/v1/channels/room/messages/%d", p.Seq), "").is(200)
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatal(err)
		}
		data := string(got.Message.Data)
		if got.Message.Base64 != nil {
			b, _ := base64.StdEncoding.DecodeString(*got.Message.Base64)
			data = "base64:" + string(b)
		}
		if got.Message.ContentType != tt.contentType || data != tt.data {
			t.Errorf("%s: %q %q, want %q %q", tt.name, got.Message.ContentType, data, tt.contentType, tt.data)
		}
	}
}

func TestRawPushOptions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.do("POST", "/v1/push/user:42?id=one&key=k&ttl=90", "hello").is(202).pushed()[0]
	again := s.do("POST", "/v1/push/user:42?id=one", "hello").is(202).pushed()[0]
	if first.ID != "one" || !again.Duplicate || again.Seq != first.Seq {
		t.Errorf("%+v %+v", first, again)
	}
	s.do("POST", "/v1/push/user:42?key=k&ttl=1h", "newer").is(202)
	list, _, err := s.Messages(t.Context(), "user:42", 0, 0)
	if err != nil || len(list) != 1 || string(list[0].Data) != "newer" || list[0].Key != "k" ||
		list[0].Expires.Sub(list[0].Time).Hours() != 1 {
		t.Errorf("%+v %v", list, err)
	}
}

// TestNames pushes to names that must be escaped in a path.
func TestNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, name := range map[string]string{
		"room/7":                       "room/7",
		"room%2F7":                     "room/7",
		"room%2f7":                     "room/7",
		"a%2F%2Fb":                     "a//b",
		"a%25b":                        "a%b",
		"%C3%BC%E4%B8%96":              "ü世",
		"user:a+b@c.de":                "user:a+b@c.de",
		"x%23y":                        "x#y",
		"..":                           "..",
		"messages":                     "messages",
		"a%2Fmessages":                 "a/messages",
		"a%2Fmessages%2F1":             "a/messages/1",
		"%E2%98%83;p=1":                "☃;p=1",
		`%22%5C%3C%3E%26%7F`:           "",
		"user:":                        "",
		"a%20b":                        "",
		"a%2Cb":                        "",
		"%FF":                          "",
		"x" + strings.Repeat("y", 200): "",
	} {
		a := s.do("POST", "/v1/push/"+path, "hello")
		if name == "" {
			a.problem(400, "channel")
			continue
		}
		p := a.is(202).pushed()[0]
		if p.To != name {
			t.Errorf("%s is %q, want %q", path, p.To, name)
		}
		if strings.Contains(path, "/") {
			continue // only in paths that end with the name
		}
		var info wirepost.ChannelInfo
		s.do("GET", "/v1/channels/"+path, "").is(200).into(&info)
		if info.Channel != name || info.Head == 0 {
			t.Errorf("%s: %+v", path, info)
		}
		s.do("GET", "/v1/channels/"+path+"/messages", "").is(200)
		s.do("GET", fmt.Sprintf("/v1/channels/%s/messages/%d", path, p.Seq), "").is(200)
		s.do("DELETE", "/v1/channels/"+path, "").is(204)
	}
}

// TestRawPushHasFewFields: what only JSON can say is refused with the way to say it.
func TestRawPushHasFewFields(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range onlyJSON {
		answer := s.do("POST", "/v1/push/user:42?"+name+"=30s:event", "hello").is(400)
		if text := string(answer.body); !strings.Contains(text, "push JSON to /v1/push") || !strings.Contains(text, name) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
