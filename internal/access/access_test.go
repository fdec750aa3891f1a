package access

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestRights(t *testing.T) {
	t.Parallel()
	ps, err := NewPolicies([]Policy{
		{Pattern: "open:*", Subscribe: Anyone, Publish: Anyone},
		{Pattern: "shut:*", Subscribe: BackendOnly, Publish: BackendOnly},
		{Pattern: "ask:*", Subscribe: Hook, Publish: Hook},
		{Pattern: "user:*", Subscribe: Anyone, Publish: Anyone},
	})
	if err != nil {
		t.Fatal(err)
	}
	plain := &Identity{User: "42"}
	all := &Identity{User: "42", Subscribe: []string{"*"}, Publish: []string{"*"}}
	for _, tt := range []struct {
		id                 *Identity
		channel            string
		subscribe, publish bool
	}{
		{plain, "room", false, false},
		{plain, "open:1", true, true},
		{plain, "shut:1", false, false},
		{plain, "ask:1", true, true}, // the hook decides
		{plain, "user:42", true, true},
		{plain, "user:7", false, true}, // the policy opens publishing, but subscribing stays closed
		{plain, "all", true, false},
		{all, "room", true, true},
		{all, "shut:1", false, false},
		{all, "user:7", false, true},
		{all, "all", true, false},
		{&Identity{User: "42", Channels: []string{"room"}}, "room", true, false},
		{&Identity{User: "42", Subscribe: []string{"user:7"}}, "user:7", false, true},
	} {
		if err := ps.MaySubscribe(tt.id, tt.channel); (err == nil) != tt.subscribe {
			t.Errorf("%+v subscribes to %s: %v", tt.id, tt.channel, err)
		}
		if err := ps.MayPublish(tt.id, tt.channel); (err == nil) != tt.publish {
			t.Errorf("%+v publishes to %s: %v", tt.id, tt.channel, err)
		}
	}
	for channel, want := range map[string]bool{"ask:1": true, "room": false, "user:ask:1": false} {
		if ps.SubscribeHook(channel) != want || ps.PublishHook(channel) != want {
			t.Errorf("%s: not %t", channel, want)
		}
	}
	everything, err := NewPolicies([]Policy{{Pattern: "*", Subscribe: Hook}})
	if err != nil {
		t.Fatal(err)
	}
	for _, channel := range []string{"user:42", "all"} {
		if everything.SubscribeHook(channel) {
			t.Errorf("the application is asked about %s", channel)
		}
	}
}

// A pattern with a leading * does not match inboxes or all; one that names them does.
func TestCovers(t *testing.T) {
	t.Parallel()
	for channel, want := range map[string]bool{"news": true, "user:7": false, "all": false} {
		if covers([]string{"*"}, channel) != want {
			t.Errorf("* and %s: not %t", channel, want)
		}
	}
	if !covers([]string{"user:*"}, "user:7") {
		t.Error("user:* does not match user:7")
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	ps, err := NewPolicies([]Policy{
		{Pattern: "room:1", MaxMessages: 10},
		{Pattern: "room:*", NonDurable: true, MaxAge: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := ps.Of("room:1"); p.MaxMessages != 10 || p.MaxAge != defaultMaxAge || p.NonDurable || p.Subscribe != ByToken {
		t.Errorf("the first that matches: %+v", p)
	}
	if p := ps.Of("room:2"); p.MaxMessages != defaultMaxMessages || p.MaxAge != time.Hour || !ps.MemoryOnly("room:2") {
		t.Errorf("the second: %+v", p)
	}
	if p := ps.Of("news"); p.Pattern != "*" || p.Publish != ByToken {
		t.Errorf("none: %+v", p)
	}
	for want, p := range map[string]Policy{
		"pattern":      {},
		"max_age":      {Pattern: "a", MaxAge: -1},
		"max_messages": {Pattern: "a", MaxMessages: -1},
		"everyone":     {Pattern: "a", Subscribe: "everyone"},
	} {
		if _, err := NewPolicies([]Policy{p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestIdentityInfo(t *testing.T) {
	t.Parallel()
	largest := `"` + strings.Repeat("x", maxInfo-2) + `"`
	for text, want := range map[string]string{
		"":                          "",
		"null":                      "",
		`	{"name": "Ada", "n": 1} `: `{"name":"Ada","n":1}`,
		largest:                     largest,
		" " + largest + " ":         largest,
	} {
		id := Identity{User: "42", Info: json.RawMessage(text)}
		if err := id.Check(time.Time{}); err != nil || string(id.Info) != want {
			t.Errorf("%.40s: %.40s, %v", text, id.Info, err)
		}
	}
	for text, want := range map[string]string{
		largest + " 1":     "JSON",
		`{"name":`:         "JSON",
		"\"\xff\"":         "UTF-8",
		largest[1:] + `x"`: "JSON",
		`"x` + largest[1:]: "info has 1025 bytes of JSON, at most 1024",
	} {
		id := Identity{User: "42", Info: json.RawMessage(text)}
		if err := id.Check(time.Time{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func TestIdentityCheck(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_789_000_000_000)
	for want, id := range map[string]Identity{
		"":        {User: "42", Device: "phone", Channels: []string{"news", "user:42"}, Expires: now.Add(1)},
		"user":    {},
		"device":  {User: "42", Device: "a b"},
		"inbox":   {User: "42", Channels: []string{"user:7"}},
		"channel": {User: "42", Channels: []string{"a,b"}},
		"expired": {User: "42", Expires: now},
	} {
		if err := id.Check(now); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", id, err)
		}
	}
}
