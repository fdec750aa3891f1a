package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/examples/internal/trial"
	"github.com/wirepost/wirepost/internal/browser"
)

func TestMain(m *testing.M) { trial.Main(browser.With(m), main) }

// guest is a Go client.
func guest(t *testing.T, p *trial.Program, user string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), p.URL+"/ws?user="+user, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPresence(t *testing.T) {
	p := trial.Start(t)
	ann, bob := guest(t, p, "ann"), guest(t, p, "bob")
	room, err := ann.Presence(t.Context(), "room:go")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Presence(t.Context(), "room:go"); err != nil {
		t.Fatal(err)
	}
	for room.Count() != 2 {
		<-room.Changed()
	}
	bob.Close()
	for room.Count() != 1 {
		<-room.Changed()
	}
	if users := room.Users(); len(users) != 1 || users[0].User != "ann" {
		t.Errorf("there are %v", users)
	}
}

// TestReset restarts the program with an empty store: sequences start at 1.
func TestReset(t *testing.T) {
	p := trial.Start(t)
	ann := browser.Open(t)
	browser.Expect(ann, `WebSocket connection to|Failed to load resource|net::ERR_`)
	browser.Visit(t, ann, p.URL+"/?user=Ann&room=lobby")
	browser.Wait(t, ann, `users.textContent === "Ann"`)
	say := func(text string) {
		browser.Fill(t, ann, "#text", text)
		browser.Click(t, ann, "#say button")
		browser.Wait(t, ann, `messages.lastChild?.textContent.endsWith("`+text+`")`)
	}
	for _, text := range []string{"one", "two", "three"} {
		say(text)
	}
	p.Kill()
	p = trial.Start(t, "-listen", strings.TrimPrefix(p.URL, "http://"))
	browser.Wait(t, ann, `messages.children.length === 0 && state.textContent === "as Ann"`)
	say("after")
	browser.Wait(t, ann, `messages.children.length === 1`)
}

func TestRights(t *testing.T) {
	p := trial.Start(t)
	ann := guest(t, p, "ann")
	for channel, allowed := range map[string]bool{
		"room:go": true, "typing:go": true, "user:bob": false, "all": false,
	} {
		_, err := ann.Publish(t.Context(), client.Publication{To: channel, Data: json.RawMessage(`"hi"`)})
		if (err == nil) != allowed {
			t.Errorf("publish to %s: %v", channel, err)
		}
	}
}

func TestPage(t *testing.T) {
	p := trial.Start(t)
	ann, bob := browser.Open(t), browser.Open(t)
	browser.Visit(t, ann, p.URL)
	browser.Fill(t, ann, `[name="user"]`, "Ann")
	browser.Click(t, ann, "#login button")
	browser.Wait(t, ann, `users.textContent === "Ann"`)
	browser.Fill(t, ann, "#text", "Anybody here?")
	browser.Click(t, ann, "#say button")
	browser.Wait(t, ann, `messages.children.length === 1`)

	browser.Visit(t, bob, p.URL+"/?user=Bob&room=lobby")
	browser.Wait(t, bob, `messages.children.length === 1 && users.textContent === "Ann, Bob"`)
	browser.Wait(t, ann, `users.textContent === "Ann, Bob"`)
	browser.Fill(t, bob, "#text", "Yes")
	browser.Wait(t, ann, `typing.textContent === "Bob typing…"`)
	browser.Screenshot(t, ann, "typing")
	browser.Click(t, bob, "#say button")
	browser.Wait(t, ann, `messages.lastChild.textContent.endsWith("Yes") && typing.textContent === ""`)
	browser.Device(t, bob, 360, 640)
	browser.Screenshot(t, bob, "phone")
	browser.Visit(t, bob, p.URL) // away from the room
	browser.Wait(t, ann, `users.textContent === "Ann"`)
}

func TestChinese(t *testing.T) {
	p := trial.Start(t)
	tab := browser.Open(t)
	browser.Language(t, tab, "zh-CN")
	browser.Visit(t, tab, p.URL)
	browser.Wait(t, tab, `document.title === "聊天" && document.querySelector("[name=user]").placeholder === "你的名字"`)
	browser.Visit(t, tab, p.URL+"/?user=Ann&room=lobby")
	browser.Wait(t, tab, `state.textContent === "身份：Ann" && document.documentElement.lang === "zh-CN"`)
	browser.Wait(t, tab, `!/[A-Za-z]{2}/.test(document.body.innerText.replace(/Ann|lobby/g, ""))`)
}
