package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
)

// TestBackwards: before reads the newest messages first, page by page.
func TestBackwards(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 5 {
		s.do("POST", "/v1/push", `{"to":"user:42","data":1}`).is(202)
	}
	for _, tt := range []struct{ query, want string }{
		{"before=9&limit=2", "5 4 next 4"},
		{"before=4&limit=2", "3 2 next 2"},
		{"before=2&limit=2", "1 next 1"},
		{"before=1&limit=2", "next 1"},
		{"before=0", "next 0"},
	} {
		for _, path := range []string{"/v1/users/42/messages?", "/v1/channels/user:42/messages?"} {
			var list struct {
				Messages []struct{ Seq json.Number }
				Next     json.Number
			}
			if err := json.Unmarshal(s.do("GET", path+tt.query, "").is(200).body, &list); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range list.Messages {
				got = append(got, m.Seq.String())
			}
			if got := strings.Join(append(got, "next", list.Next.String()), " "); got != tt.want {
				t.Errorf("%s: %s, want %s", tt.query, got, tt.want)
			}
		}
	}
}

func TestNamesAndPresence(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.Channels = []wirepost.Policy{{Pattern: "room:*", Presence: true}} })
	c := s.dial("42", "wirepost.v1")
	if err := c.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","ref":1,"channel":"room:7"}`)); err != nil {
		t.Fatal(err)
	}
	frame(t, c, "ok") // and the user is present
	s.do("PUT", "/v1/users/43/channels/room:7", "").is(200)
	for path, want := range map[string]string{
		"/v1/users":                    `{"users":[{"user":"42","online":1},{"user":"43","online":0}],"next":"43"}`,
		"/v1/users?online=true":        `{"users":[{"user":"42","online":1}],"next":"42"}`,
		"/v1/users?after=42&limit=1":   `{"users":[{"user":"43","online":0}],"next":"43"}`,
		"/v1/users?after=43":           `{"users":[],"next":"43"}`,
		"/v1/users?prefix=5":           `{"users":[],"next":""}`,
		"/v1/channels?prefix=room":     `{"channels":[{"channel":"room:7","head":0,"subscribers":1}],"next":"room:7"}`,
		"/v1/channels?after=room:7":    `{"channels":[{"channel":"user:42","head":0,"subscribers":1}],"next":"user:42"}`,
		"/v1/channels/room:8/presence": `{"count":0,"users":[]}`,
		"/v1/channels/room:7":          `{"channel":"room:7","head":0,"oldest":0,"subscribers":1,"policy":{"pattern":"room:*","durable":true,"max_age":"720h0m0s","max_messages":100000,"subscribe":"token","publish":"token","presence":true}}`,
	} {
		if got := string(s.do("GET", path, "").is(200).body); strings.TrimSpace(got) != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	var p wirepost.Presence
	if err := json.Unmarshal(s.do("GET", "/v1/channels/room:7/presence", "").is(200).body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Count != 1 || len(p.Users) != 1 || p.Users[0].User != "42" || p.Users[0].Since.IsZero() {
		t.Errorf("presence %+v", p)
	}
}
