package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNotification shows notifications on the desktop and clicks them.
func TestNotification(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/worker.js" {
			w.Header().Set("Content-Type", "text/javascript")
			w.Write([]byte(`
				addEventListener("push", (e) => e.waitUntil(registration.showNotification(e.data.text(), { body: "text", actions: [{ action: "more", title: "More" }] })))
				addEventListener("notificationclick", (e) => e.waitUntil((async () => {
					e.notification.close()
					await clients.openWindow("/opened")
					for (const page of await clients.matchAll({ includeUncontrolled: true })) page.postMessage(e.notification.title + e.action)
				})()))
			`)) //nolint:errcheck // the peer is gone
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte("<!doctype html><link rel=icon href=data:,>")) //nolint:errcheck // the peer is gone
	}))
	t.Cleanup(s.Close)
	other := Open(t)
	Visit(t, other, s.URL)
	setNotifications(t, other, s.URL, "denied")
	Wait(t, other, `Notification.permission === "denied"`)
	tab := OpenFirst(t)
	Visit(t, tab, s.URL)
	Wait(t, tab, `Notification.permission === "granted"`)
	do(t, tab, `window.clicks = []; navigator.serviceWorker.onmessage = (e) => clicks.push(e.data); navigator.serviceWorker.register("/worker.js", { scope: "/some/" })`)
	Wait(t, tab, `navigator.serviceWorker.getRegistration("/some/").then((r) => r?.active?.state === "activated")`)
	for _, title := range []string{"one", "two", "three"} {
		Push(t, tab, s.URL, "/some/", title)
	}
	if n := WaitNotification(t, tab, "one"); !strings.Contains(n.Text, "text") {
		t.Errorf("it says %q", n.Text)
	}
	WaitNotification(t, tab, "one").Click(t, "")
	Wait(t, tab, `clicks.join() === "one"`)
	WaitPage(t, tab, s.URL+"/opened")
	WaitNotification(t, tab, "two").Click(t, "More")
	Wait(t, tab, `clicks.join() === "one,twomore"`)
	WaitNoNotification(t, tab, "one")
	WaitNotification(t, tab, "three")
	do(t, tab, `navigator.serviceWorker.getRegistration("/some/").then((r) => r.getNotifications()).then(([n]) => n.close())`)
	WaitNoNotification(t, tab, "three")
}
