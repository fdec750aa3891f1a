package console

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
	"github.com/wirepost/wirepost/internal/browser"
)

func TestOverviewMoves(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", func(o *wirepost.Options) { o.Window = 1 })
	tab := s.open("")
	says(t, tab, "#link", "live")
	says(t, tab, "h2", "Start here")
	says(t, tab, ".panel", "No connections", "No client is slow")
	browser.Screenshot(t, tab, "idle")

	s.client("bob")
	s.client("stuck&device=tv", "wirepost.v1") // never acknowledges
	says(t, tab, "[data-tile=connections] .value", "2")
	says(t, tab, "[data-tile=users] .value", "2")
	says(t, tab, `[data-channel="user:stuck"]`, "user:stuck")
	for i := range 20 {
		s.push("user:bob", fmt.Sprint(i))
		s.push("user:stuck", fmt.Sprint(i))
	}
	says(t, tab, "[data-tile=messages-in] small", "40 in total")
	says(t, tab, "[data-tile=messages-out] small", "21 in total")
	says(t, tab, `[data-channel="user:bob"] .number`, "20")
	browser.Wait(t, tab, `[...document.querySelectorAll(".u-legend .u-value")].some((e) => /^[1-9]/.test(e.textContent))`)

	// A lagging client is shown.
	says(t, tab, "[data-tile=slow] .value", "1")
	says(t, tab, ".panel td", "does not acknowledge", "1 message")
	browser.Wait(t, tab, `document.querySelectorAll(".plot canvas").length === 3`)
	browser.Screenshot(t, tab, "busy")
	browser.Click(t, tab, ".panel td a[href='#/users/stuck']")
	says(t, tab, "h1", "User stuck")
}

func TestOverviewSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("")
	browser.Expect(tab, "ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET")
	says(t, tab, "#link", "live")
	address := s.hs.Listener.Addr().String()
	s.stop()
	says(t, tab, ".banner", "Connection lost, retrying")
	browser.Screenshot(t, tab, "lost")

	s.start(listenAgain(t, address))
	browser.Wait(t, tab, `document.querySelector(".banner").hidden`)
	says(t, tab, "#link", "live")
	s.client("bob")
	says(t, tab, "[data-tile=connections] .value", "1")
}

// TestOverviewShowsEvents: endpoints, with why one fails, and the latest events.
func TestOverviewShowsEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", func(o *wirepost.Options) {
		o.Events.Endpoints = []wirepost.EventEndpoint{{URL: "http://127.0.0.1:1/secret?key=secret", Types: []string{"user.*", "session.*"}}}
	})
	tab := s.open("")
	s.client("bob&device=tv")
	says(t, tab, "[data-event='user.online']", "bob")
	says(t, tab, "[data-event='session.connected']", "bob · tv")
	says(t, tab, "[data-endpoint='http://127.0.0.1:1/…'] td.bad", "fails for", "connection refused")
	browser.Wait(t, tab, `getComputedStyle(document.querySelector("td.bad")).color !== getComputedStyle(document.body).color`)
	browser.Screenshot(t, tab, "events")
	browser.Device(t, tab, 390, 844)
	browser.Wait(t, tab, `document.documentElement.scrollWidth <= innerWidth`)
	browser.Screenshot(t, tab, "events-phone")
}

// TestOverviewShowsHooks: each hook with its latency, and why one fails or is not asked.
func TestOverviewShowsHooks(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(backend.Close)
	h, err := hooks.New(hooks.Options{
		Message: backend.URL + "/secret?key=secret", Subscribe: "http://127.0.0.1:1/subscribe", Call: backend.URL + "/call",
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	var o wirepost.Options
	h.Apply(&o)
	if _, err := o.OnMessage(t.Context(), wirepost.Session{User: "42"}, wirepost.Frame{Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	for range 10 { // its breaker opens
		if o.OnSubscribe(t.Context(), wirepost.Session{User: "42"}, "room:7") == nil {
			t.Fatal("no error")
		}
	}
	tab := newHookedSite(t, h, "").open("")
	says(t, tab, "[data-hook=message]", backend.URL+"/…", "responds", "ms")
	says(t, tab, "[data-hook=call]", "not asked yet")
	says(t, tab, "[data-hook=subscribe] td.bad", "not asked, after 10 failures in a row", "connection refused")
	browser.Wait(t, tab, `!document.body.textContent.includes("secret")`)
	accessible(t, tab)
	browser.Screenshot(t, tab, "hooks")
	browser.Device(t, tab, 390, 844)
	browser.Wait(t, tab, `document.documentElement.scrollWidth <= innerWidth`)
	browser.Screenshot(t, tab, "hooks-phone")
}
