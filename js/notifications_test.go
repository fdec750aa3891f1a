package js_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/browser"
	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

// TestNotifications enables notifications in a page, delivers pushes to the service worker,
// and clicks what is shown.
func TestNotifications(t *testing.T) {
	s := serve(t, "dev")
	tab := browser.OpenFirst(t)
	browser.Subscribe(t, tab, pushtest.New(t).Subscribe("").JSON())
	start(t, tab, s, `"/ws?user=42"`)
	if state := browser.Value[string](t, tab, `client.notifications()`); state != "off" {
		t.Fatalf("notifications are %s", state)
	}
	run(t, tab, `await client.enableNotifications({ title: "The shop", url: "/readyz?inbox" })`)
	if state := browser.Value[string](t, tab, `client.notifications()`); state != "on" {
		t.Fatalf("notifications are %s", state)
	}
	const subscriptions = `(await fetch("/v1/users/42/webpush").then((r) => r.json())).subscriptions.length`
	browser.Wait(t, tab, subscriptions+` === 1`)

	deliver := func(seq int, notification string) {
		t.Helper()
		browser.Push(t, tab, s.url(""), "/wirepost-sw/", fmt.Sprintf(`{"wirepost":{"channel":"user:42","seq":%d,"data":"said"}%s}`, seq, notification))
	}
	// A click opens the page, or focuses it.
	for seq := range 2 {
		deliver(seq, `,"web_push":8030,"notification":{"title":"Shipped","navigate":"/readyz?order#7"}`)
		browser.WaitNotification(t, tab, "Shipped").Click(t, "")
		browser.WaitNoNotification(t, tab, "Shipped")
		browser.WaitPage(t, tab, s.url("/readyz?order#7"))
	}
	// Without a notification it shows and opens what the page said.
	deliver(2, "")
	if n := browser.WaitNotification(t, tab, "The shop"); !strings.Contains(n.Text, "said") {
		t.Errorf("it says %q", n.Text)
	}
	browser.WaitNotification(t, tab, "The shop").Click(t, "")
	browser.WaitPage(t, tab, s.url("/readyz?inbox"))
	// Nothing but pages is opened.
	deliver(3, `,"notification":{"title":"Hostile","navigate":"javascript:location='/readyz?hostile'"}`)
	browser.WaitNotification(t, tab, "Hostile").Click(t, "")
	browser.WaitNoNotification(t, tab, "Hostile")
	deliver(4, `,"notification":{"title":"Buttons","actions":[{"action":"track","title":"Track it","navigate":"/readyz?track"}]}`)
	browser.WaitNotification(t, tab, "Buttons").Click(t, "Track it")
	browser.WaitPage(t, tab, s.url("/readyz?track"))
	var opened []string
	for _, url := range browser.Pages(t, tab) {
		if path, ours := strings.CutPrefix(url, s.url("/readyz?")); ours {
			opened = append(opened, path)
		}
	}
	slices.Sort(opened)
	if want := []string{"inbox", "order#7", "track"}; !slices.Equal(opened, want) {
		t.Errorf("opened: %q, want %q", opened, want)
	}

	// What the user reads elsewhere is closed; what is not from the server is left alone.
	s.mustPush("user:42", "1", "2")
	saw(t, tab, "1", "2")
	deliver(1, `,"notification":{"title":"First"}`)
	deliver(2, `,"notification":{"title":"Second"}`)
	browser.WaitNotification(t, tab, "First")
	browser.WaitNotification(t, tab, "Second")
	markRead(t, s, `{"seq":1}`)
	browser.WaitNoNotification(t, tab, "First")
	browser.WaitNotification(t, tab, "Second")
	run(t, tab, `client.close()`)
	markRead(t, s, `{"seq":2}`)
	start(t, tab, s, `"/ws?user=42"`)
	browser.WaitNoNotification(t, tab, "Second")

	deliver(3, `,"notification":{"title":"Third"}`)
	browser.WaitNotification(t, tab, "Third")
	run(t, tab, `await client.disableNotifications()`)
	browser.WaitNoNotification(t, tab, "Third")
	browser.Wait(t, tab, subscriptions+` === 0`)
}

// markRead moves the read mark of user 42.
func markRead(t *testing.T, s *server, body string) {
	t.Helper()
	response, err := http.Post(s.url("/v1/users/42/read"), "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
}
