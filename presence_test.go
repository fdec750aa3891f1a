package wirepost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// withPresence gives the channels room:* presence, and the users the info in ?info=.
func withPresence(o *wirepost.Options) {
	o.Channels = []wirepost.Policy{{Pattern: "room:*", Presence: true}}
	o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
		id, err := byQuery(r)
		id.Info = json.RawMessage(r.URL.Query().Get("info"))
		return id, err
	}
}

// users are the names in a list of present users, or of names.
func (f frame) users(field string) (names []string) {
	list, _ := f[field].([]any)
	for _, x := range list {
		name, ok := x.(string)
		if m, isObject := x.(map[string]any); isObject {
			name, ok = m["user"].(string)
		}
		if !ok {
			names = append(names, fmt.Sprint(x))
			continue
		}
		names = append(names, name)
	}
	return names
}

// enter subscribes to a channel with presence.
func (c *client) enter(channel string) frame {
	c.t.Helper()
	c.send(`{"type":"subscribe","ref":1,"channel":%q,"presence":true}`, channel)
	ok, _ := c.frame("ok")["presence"].(map[string]any)
	if ok == nil {
		c.t.Fatal("ok without presence")
	}
	return ok
}

// changes wants one frame about the users of a channel.
func (c *client) changes(joined, left string, count int) frame {
	c.t.Helper()
	f := c.frame("presence")
	sorted := func(names []string) []string { return slices.Sorted(slices.Values(names)) } // changes may be found in any order
	got := fmt.Sprint(sorted(f.users("joined")), sorted(f.users("left")), f.num("count"))
	if want := fmt.Sprint(sorted(strings.Fields(joined)), sorted(strings.Fields(left)), count); got != want {
		c.t.Fatalf("presence %v: %s, want %s", f, got, want)
	}
	return f
}

// presenceFrames returns the presence frames that the client has not read yet.
func (c *client) presenceFrames() (all []string) {
	c.t.Helper()
	c.send(`{"type":"unsubscribe","ref":"last","channel":"none"}`)
	for {
		var f frame
		if err := json.Unmarshal([]byte(c.next()), &f); err != nil {
			c.t.Fatal(err)
		}
		switch f.str("type") {
		case "presence":
			all = append(all, fmt.Sprint("+", slices.Sorted(slices.Values(f.users("joined"))), " -", slices.Sorted(slices.Values(f.users("left"))), " ", f.num("count")))
		case "error":
			return all
		}
	}
}

// quiet wants no frame until the room is asked.
func (c *client) quiet(d time.Duration) {
	c.t.Helper()
	time.Sleep(d)
	c.send(`{"type":"unsubscribe","ref":"none","channel":"none"}`)
	c.frame("error")
}

func (n *node) present(channel string) string {
	n.t.Helper()
	p, err := n.Presence(n.t.Context(), channel)
	if err != nil {
		n.t.Fatal(err)
	}
	var names []string
	for _, u := range p.Users {
		names = append(names, u.User)
	}
	slices.Sort(names) // other nodes announce several in any order
	return strings.Join(append([]string{strconv.Itoa(p.Count)}, names...), " ")
}

func (n *node) wantPresent(channel, want string) {
	n.t.Helper()
	synctest.Wait()
	if got := n.present(channel); got != want {
		n.t.Errorf("present in %s: %s, want %s", channel, got, want)
	}
}

func inPresence(t *testing.T, test func(t *testing.T, n *node)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newPipeNode(t, withPresence)) })
}

func TestPresence(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1(`a&info={"name":"Ada"}`)
		if ok := frame(a.enter("room:1")); ok.num("count") != 1 || !slices.Equal(ok.users("users"), []string{"a"}) {
			t.Errorf("the first one is alone: %v", ok)
		}
		began := time.Now()
		b, _ := n.dialV1("b")
		ok := frame(b.enter("room:1"))
		if ok.num("count") != 2 || !slices.Equal(ok.users("users"), []string{"a", "b"}) {
			t.Errorf("the second one: %v", ok)
		}
		list := ok["users"].([]any)
		if got := list[0].(map[string]any); fmt.Sprint(got["info"]) != "map[name:Ada]" || uint64(got["since"].(float64)) == 0 {
			t.Errorf("the first user: %v", got)
		}
		if _, has := list[1].(map[string]any)["info"]; has {
			t.Errorf("a user without info: %v", list[1])
		}
		a.changes("b", "", 2) // and nothing of itself
		if took := time.Since(began); took != 250*time.Millisecond {
			t.Errorf("notified after %s", took)
		}
		b.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		b.frame("ok")
		n.wantPresent("room:1", "1 a")
		a.changes("", "b", 1)
		b.quiet(10 * time.Second) // it watches no more
		a.quiet(0)
	})
}

// TestPresenceOnce: joins within 250 ms cost each watcher one frame.
func TestPresenceOnce(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		a.enter("room:1")
		time.Sleep(time.Second)
		var rest []*client
		names := []string{}
		for i := range 20 {
			name := fmt.Sprint("u", i)
			names = append(names, name)
			c, _ := n.dialV1(name)
			if got := frame(c.enter("room:1")).num("count"); got != uint64(i+2) {
				t.Errorf("%s sees %d users", name, got)
			}
			rest = append(rest, c)
		}
		a.changes(strings.Join(names, " "), "", 21)
		for i, c := range rest[:19] {
			c.changes(strings.Join(names[i+1:], " "), "", 21)
		}
		rest[19].quiet(time.Second)
		a.quiet(0)
	})
}

// TestPresenceGrace: who comes back within 5 s was never away; who does not is gone then.
func TestPresenceGrace(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		a.enter("room:1")
		b, _ := n.dialV1("b&channels=room:1")
		a.changes("b", "", 2)
		b.Close()
		time.Sleep(4900 * time.Millisecond)
		n.wantPresent("room:1", "2 a b")
		b, _ = n.dialV1("b&channels=room:1")
		time.Sleep(10 * time.Second)
		n.wantPresent("room:1", "2 a b")
		b.leave()
		left := time.Now()
		a.changes("", "b", 1)
		if took := time.Since(left).Round(time.Millisecond); took != 5250*time.Millisecond {
			t.Errorf("gone after %s", took)
		}
		// Whoever unsubscribes after coming back has no grace of the connection before.
		b, _ = n.dialV1("b&channels=room:1")
		a.changes("b", "", 2)
		b.Close()
		time.Sleep(time.Second)
		b, _ = n.dialV1("b&channels=room:1")
		b.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		b.frame("ok")
		n.wantPresent("room:1", "1 a")
		a.changes("", "b", 1)
	})
}

// TestPresenceUser: several tabs and devices are one user.
func TestPresenceUser(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		a.enter("room:1")
		phone, _ := n.dialV1("b&device=phone&channels=room:1")
		laptop, _ := n.dialV1("b&device=laptop")
		if ok := frame(laptop.enter("room:1")); ok.num("count") != 2 {
			t.Errorf("two devices: %v", ok)
		}
		a.changes("b", "", 2)
		laptop.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		laptop.frame("ok")
		a.quiet(10 * time.Second)
		n.wantPresent("room:1", "2 a b")
		phone.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		phone.frame("ok")
		a.changes("", "b", 1)
		plain := n.dial("c&channels=room:1") // any mode counts
		a.changes("c", "", 2)
		plain.Close()
		a.changes("", "c", 1)
	})
}

// TestPresenceTabs: a user who opens and closes tabs as fast as possible costs the others
// nothing, as long as one is open within the grace.
func TestPresenceTabs(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		a.enter("room:1")
		var tabs []*client
		open := func() {
			c, _ := n.dialV1("b&channels=room:1")
			tabs = append(tabs, c)
		}
		for range 50 {
			open()
		}
		a.changes("b", "", 2)
		for range 30 {
			for _, tab := range tabs {
				tab.Close()
			}
			tabs = tabs[:0]
			time.Sleep(time.Second)
			for range 5 {
				open()
			}
		}
		a.quiet(time.Second)
		n.wantPresent("room:1", "2 a b")
		for _, tab := range tabs[1:] {
			tab.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
			tab.frame("ok")
		}
		n.wantPresent("room:1", "2 a b")
		tabs[0].send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		tabs[0].frame("ok")
		n.wantPresent("room:1", "1 a")
		a.changes("", "b", 1)
	})
}

// info is what is shown of a user.
func (n *node) info(channel, user string) string {
	n.t.Helper()
	p, err := n.Presence(n.t.Context(), channel)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, u := range p.Users {
		if u.User == user {
			return string(u.Info)
		}
	}
	return "absent"
}

// TestPresenceInfo: of several connections of a user, the newest with info counts.
func TestPresenceInfo(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		a.enter("room:1")
		for i, step := range []struct {
			info, want string
			frames     int
		}{{"", "", 1}, {"1", "1", 1}, {"2", "2", 1}, {"", "2", 0}, {"2", "2", 0}, {"1", "1", 1}} {
			n.dialV1("b&channels=room:1&info=" + step.info)
			time.Sleep(time.Second)
			if got := n.info("room:1", "b"); got != step.want {
				t.Errorf("step %d: %q, want %q", i, got, step.want)
			}
			if frames := a.presenceFrames(); len(frames) != step.frames || step.frames > 0 && frames[0] != "+[b] -[] 2" {
				t.Errorf("step %d: frames %v, want %d", i, frames, step.frames)
			}
		}
	})
}

// TestPresenceInfoTooLarge: info above 1 KiB keeps a client out, and a new token with such
// info changes nothing.
func TestPresenceInfoTooLarge(t *testing.T) {
	t.Parallel()
	largest := strconv.Quote(strings.Repeat("x", 1022))
	n := newNode(t, withPresence, func(o *wirepost.Options) {
		o.VerifyToken = func(_ context.Context, token string) (wirepost.Identity, error) {
			return wirepost.Identity{User: "a", Subscribe: []string{"*"}, Info: json.RawMessage(token)}, nil
		}
	})
	a, _ := n.dialV1("a&channels=room:1&info=" + largest)
	if got := n.info("room:1", "a"); got != largest {
		t.Errorf("info of 1 KiB: %q", got)
	}
	if response := n.get("/sse", "user=a&info="+strconv.Quote(strings.Repeat("x", 1023))); response.StatusCode < 400 {
		t.Errorf("info above 1 KiB: %s", response.Status)
	}
	token := strconv.Quote(strings.Repeat("y", 1023))
	a.send(`{"type":"auth","ref":1,"token":%q}`, token)
	if e := a.frame("error"); e.str("code") == "" {
		t.Errorf("a token with more: %v", e)
	}
	if got := n.info("room:1", "a"); got != largest && got != "absent" {
		t.Errorf("info afterwards: %q", got)
	}
}

// TestPresenceKicked: the grace is not for connections that the backend closes.
func TestPresenceKicked(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		a.enter("room:1")
		b, _ := n.dialV1("b&channels=room:1")
		a.changes("b", "", 2)
		if _, err := n.Disconnect(t.Context(), "b", ""); err != nil {
			t.Fatal(err)
		}
		if got := n.present("room:1"); got != "1 a" {
			t.Errorf("present at once: %s", got)
		}
		if info, err := n.Channel(t.Context(), "room:1"); err != nil || info.Subscribers != 1 {
			t.Errorf("channel %+v, %v", info, err)
		}
		a.changes("", "b", 1)
		_ = b
		// Nor for the connection that was lost just before.
		c, _ := n.dialV1("c&channels=room:1")
		a.changes("c", "", 2)
		c.Close()
		time.Sleep(time.Second)
		n.wantPresent("room:1", "2 a c")
		if _, err := n.Disconnect(t.Context(), "c", ""); err != nil {
			t.Fatal(err)
		}
		n.wantPresent("room:1", "1 a")
		a.changes("", "c", 1)
	})
}

// TestPresenceRefused: where the policy has no presence, asking for it is an error.
func TestPresenceRefused(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		for _, channel := range []string{"news", "user:a", "all"} {
			a.send(`{"type":"subscribe","ref":1,"channel":%q,"presence":true}`, channel)
			hint := "set `presence: true` in its channel policy"
			if channel == "user:a" {
				hint = "is an inbox, which has no presence"
			}
			if e := a.frame("error"); e.str("code") != "forbidden" || !strings.Contains(e.str("message"), hint) {
				t.Errorf("%s: %v", channel, e)
			}
			if _, err := n.Presence(t.Context(), channel); wirepost.AsError(err).Code != wirepost.CodeBadRequest || !strings.Contains(err.Error(), hint) {
				t.Errorf("%s: %v", channel, err)
			}
		}
		a.send(`{"type":"subscribe","ref":1,"channel":"room:1","presence":1}`)
		if e := a.frame("error"); e.str("code") != "bad_request" {
			t.Errorf("presence that is a number: %v", e)
		}
		n.wantPresent("room:1", "0")
		a.send(`{"type":"subscribe","ref":1,"channel":"room:1","presence":false}`)
		if ok := a.frame("ok"); ok["presence"] != nil {
			t.Errorf("presence that nobody asked for: %v", ok)
		}
		a.enter("room:1")
		n.wantPresent("room:1", "1 a")
	})
}

// TestPresenceOfInboxes: an inbox has none, also where a policy gives it to all channels.
func TestPresenceOfInboxes(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.Channels = []wirepost.Policy{{Pattern: "*", Presence: true}} })
	for channel, want := range map[string]bool{"user:a": false, "room": true, "all": true} {
		c, err := n.Channel(t.Context(), channel)
		if err != nil || c.Policy.Presence != want {
			t.Errorf("%s: presence is %t, %v", channel, c.Policy.Presence, err)
		}
		if _, err := n.Presence(t.Context(), channel); (err == nil) != want {
			t.Errorf("%s: %v", channel, err)
		}
	}
}

// TestPresenceMany: above 1 000 users the list stops, and continues with those who came
// next as others leave.
func TestPresenceMany(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		var all []*client
		for i := range 1002 {
			c, _ := n.dialV1(fmt.Sprintf("u%d&channels=room:1", i))
			all = append(all, c)
		}
		a := all[0]
		ok := frame(a.enter("room:1"))
		if users := ok.users("users"); ok.num("count") != 1002 || len(users) != 1000 || users[999] != "u999" {
			t.Errorf("count %d, %d users", ok.num("count"), len(users))
		}
		all[1001].send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		a.changes("", "", 1001)
		all[5].send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		a.changes("u1000", "u5", 1000)
		p, err := n.Presence(t.Context(), "room:1")
		if err != nil || p.Count != 1000 || len(p.Users) != 1000 || p.Users[999].User != "u1000" {
			t.Errorf("%d users, %d listed, %v", p.Count, len(p.Users), err)
		}
	})
}

// TestPresenceToken: the info of a new token replaces the one of the old token.
func TestPresenceToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, withPresence, func(o *wirepost.Options) {
			o.VerifyToken = func(_ context.Context, token string) (wirepost.Identity, error) {
				return wirepost.Identity{User: "a", Subscribe: []string{"*"}, Info: json.RawMessage(token)}, nil
			}
		})
		a, _ := n.dialV1("a")
		a.enter("room:1")
		a.send(`{"type":"auth","ref":1,"token":"{\"name\":\"Ada\"}"}`)
		a.frame("ok")
		f := a.changes("a", "", 1)
		if got := fmt.Sprint(f["joined"].([]any)[0].(map[string]any)["info"]); got != "map[name:Ada]" {
			t.Errorf("info %s", got)
		}
	})
}

// TestPresenceLoop: a client that subscribes and unsubscribes as fast as it can costs the
// others at most four frames a second.
func TestPresenceLoop(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		a.enter("room:1")
		b, _ := n.dialV1("b")
		began := time.Now()
		for range 2000 {
			b.enter("room:1")
			b.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
			b.frame("ok")
			time.Sleep(time.Millisecond)
		}
		b.enter("room:1")
		took := time.Since(began)
		frames := 0
		for last := frame(nil); last.num("count") != 2 || !slices.Equal(last.users("joined"), []string{"b"}); frames++ {
			last = a.frame("presence")
			if time.Since(began) > took+time.Second {
				t.Fatalf("the last frame is %v", last)
			}
		}
		if most := int(took/(250*time.Millisecond)) + 2; frames > most {
			t.Errorf("%d frames in %s", frames, took)
		}
	})
}

// TestPresenceEverywhere: a client in as many channels as it may be leaves nothing behind.
func TestPresenceEverywhere(t *testing.T) {
	inPresence(t, func(t *testing.T, n *node) {
		a, _ := n.dialV1("a")
		for i := range 98 { // besides the inbox and all
			a.enter(fmt.Sprint("room:", i))
		}
		a.send(`{"type":"subscribe","ref":1,"channel":"room:98","presence":true}`)
		if e := a.frame("error"); e.str("code") != "rate_limited" {
			t.Errorf("one more: %v", e)
		}
		n.wantPresent("room:98", "0")
		n.wantPresent("room:97", "1 a")
		a.Close()
		time.Sleep(6 * time.Second)
		n.wantPresent("room:97", "0")
	})
}
