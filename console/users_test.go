package console

import (
	"net/url"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/browser"
)

func TestFindUser(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.push("user:bob", "hello bob")
	s.client("bob&device=laptop", "wirepost.v1")
	tab := s.open("#/users")
	says(t, tab, ".names [data-user=bob]", "1 connection")
	browser.Fill(t, tab, "input[type=search]", "bob")
	browser.Click(t, tab, ".search button")
	says(t, tab, "h1", "User bob", "1 connection", "1 unread")
	says(t, tab, ".sessions li", "laptop", "wirepost.v1", "127.0.0.1", "a client of the test")
	says(t, tab, `[data-channel="user:bob"] .devices`, "laptop 0")

	// The message to bob was sent to a client that does not acknowledge.
	browser.Click(t, tab, `[data-seq="1"] summary`)
	says(t, tab, ".verdict", "Not acknowledged by bob yet")
	says(t, tab, `[data-state=sent]`, "laptop", "has not sent its ack")
	browser.Screenshot(t, tab, "sent")

	if _, _, err := s.MarkRead(t.Context(), "bob", "user:bob", 1); err != nil {
		t.Fatal(err)
	}
	says(t, tab, ".verdict", "Read by bob")
	says(t, tab, "h1", "0 unread")
	says(t, tab, ".come", "read")
}

func TestOfflineUser(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.push("user:bob", "it waits")
	tab := s.open("#/users/bob")
	says(t, tab, "h1", "offline", "1 unread")
	says(t, tab, ".panel", "Not connected")
	says(t, tab, ".devices", "no devices")
	browser.Click(t, tab, `[data-seq="1"] summary`)
	says(t, tab, ".verdict", "Not received: bob is not connected")
	says(t, tab, "[data-state=stored]", "is sent on the next connection")
	browser.Screenshot(t, tab, "away")

	// In plain mode the browser's pong acknowledges.
	s.client("bob&device=phone")
	says(t, tab, "h1", "1 connection", "0 unread")
	says(t, tab, `[data-device="phone"]`, "read")
}

func TestPushFromTheConsole(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.client("bob")
	tab := s.open("#/users/bob")
	browser.Fill(t, tab, ".push textarea", "from the console")
	browser.Click(t, tab, ".push .main")
	says(t, tab, ".push .notice", "Stored as 1, 1 subscribed connection")
	says(t, tab, `[data-seq="1"] .preview`, "from the console")

	choose(t, tab, ".push select", "json")
	browser.Fill(t, tab, ".push textarea", `{"order": `)
	browser.Click(t, tab, ".push .main")
	says(t, tab, ".push .notice[data-kind=bad]", "Invalid JSON")
	browser.Fill(t, tab, ".push textarea", `{"order": 7}`)
	browser.Click(t, tab, ".push summary")
	browser.Fill(t, tab, ".push .row .field:nth-child(3) input", "soon")
	browser.Expect(tab, "status of 400")
	browser.Click(t, tab, ".push .main")
	says(t, tab, ".push .notice[data-kind=bad]", "ttl")
	browser.Screenshot(t, tab, "refused")
	browser.Fill(t, tab, ".push .row .field:nth-child(3) input", "1h")
	browser.Fill(t, tab, ".push .row .field:nth-child(2) input", "order-7")
	browser.Click(t, tab, ".push .main")
	says(t, tab, ".push .notice[data-kind=good]", "Stored as 2")
	browser.Click(t, tab, ".push .main")
	says(t, tab, ".push .notice", "Duplicate of 2")
	says(t, tab, `[data-seq="2"] .preview`, `{"order":7}`)
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.push("user:bob", "a mistake")
	s.push("user:bob", "no mistake")
	tab := s.open("#/users/bob")
	browser.Click(t, tab, `[data-seq="1"] summary`)
	browser.Click(t, tab, `[data-seq="1"] .danger`)
	says(t, tab, "dialog", "Revoke message 1?")
	browser.Screenshot(t, tab, "asked")
	browser.Click(t, tab, "dialog button[value=no]")
	browser.Wait(t, tab, `document.querySelector("dialog") === null`)
	browser.Click(t, tab, `[data-seq="1"] .danger`)
	browser.Click(t, tab, "dialog .danger")
	says(t, tab, ".notice", "Message 1 was revoked")
	browser.Wait(t, tab, `document.querySelector('[data-seq="1"]') === null && document.querySelector('[data-seq="2"]') !== null`)
	if list, _, err := s.Messages(t.Context(), "user:bob", 0, 10); err != nil || len(list) != 1 || list[0].Seq != 2 {
		t.Errorf("the inbox has %v (%v)", list, err)
	}
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	for _, device := range []string{"one", "two", "three"} {
		s.client("bob&device=" + device)
	}
	tab := s.open("#/users/bob")
	says(t, tab, "h1", "3 connections")
	browser.Click(t, tab, ".sessions li:nth-child(2) .danger")
	says(t, tab, "dialog", "4409")
	browser.Click(t, tab, "dialog .danger")
	says(t, tab, "h1", "2 connections")
	if devices := devicesOf(t, s); devices != "one three " {
		t.Errorf("still connected: %s", devices)
	}
	browser.Click(t, tab, ".head .danger")
	browser.Click(t, tab, "dialog .danger")
	says(t, tab, ".notice", "2 connections closed")
	says(t, tab, "h1", "offline")
}

func devicesOf(t *testing.T, s *site) (list string) {
	sessions, err := s.Sessions(t.Context(), "bob")
	if err != nil {
		t.Error(err)
	}
	for _, s := range sessions {
		list += s.Device + " "
	}
	return list
}

// TestHostileText puts markup wherever untrusted text is shown.
func TestHostileText(t *testing.T) {
	t.Parallel()
	const img = `<img/src=x/onerror="window.bad=1">`
	s := newSite(t, "")
	s.push("user:"+img, "<img src=x onerror='window.bad=1'>\u202e right to left")
	s.push(img, `{"a":"</script><script>window.bad=1</script>"}`)
	s.client(url.QueryEscape(img)+"&device="+url.QueryEscape(img)+"&channels="+url.QueryEscape(img), "wirepost.v1")
	tab := s.open("")
	says(t, tab, "td .name", img)
	clean(t, tab)
	for _, place := range []string{"#/users/", "#/channels/"} {
		browser.Visit(t, tab, s.url+"/console"+place+url.QueryEscape(img))
		says(t, tab, "h1", img)
		browser.Click(t, tab, `[data-seq="1"] summary`)
		browser.Wait(t, tab, `document.querySelector(".verdict") !== null`)
		says(t, tab, "pre", "window.bad=1")
		clean(t, tab)
	}
	browser.Screenshot(t, tab, "hostile")
}

func TestBadNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("#/users/a%20b")
	browser.Expect(tab, "status of 400")
	says(t, tab, ".empty.bad", "a b")
	for _, bad := range []struct{ place, words string }{
		{"#/nowhere", "There is no section"}, {"#/users/%zz", "User %zz"}, {"#/channels/no*star", "*"},
	} {
		browser.Visit(t, tab, s.url+"/console"+bad.place)
		says(t, tab, "main", bad.words)
		says(t, tab, "#link", "live")
	}
	browser.Fill(t, tab, "input[type=search]", "news")
	browser.Click(t, tab, ".search button")
	says(t, tab, ".facts", "none")
}

func TestSteps(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", func(o *wirepost.Options) {
		o.Events.Endpoints = []wirepost.EventEndpoint{{Types: []string{"message.unacknowledged"}}}
	})
	_, err := s.Push(t.Context(), wirepost.Push{
		To: "user:bob", Data: []byte(`"urgent"`),
		Escalate: []wirepost.EscalationStep{{After: time.Second, Via: wirepost.ViaEvent}, {After: time.Hour, Via: wirepost.ViaEvent}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tab := s.open("#/users/bob")
	browser.Click(t, tab, `[data-seq="1"] summary`)
	says(t, tab, `[data-step="1"]`, "sent", "Event after 1s: written at ")
	says(t, tab, `[data-step="2"]`, "pending", "Event after 1h0m0s: at ", "unless it is acknowledged before")
	browser.Screenshot(t, tab, "steps")
}
